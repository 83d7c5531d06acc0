// The spectral indices: searched by name or purpose, and what the chosen one shows.

import { get } from "../lib/api.mjs";
import { combobox } from "../lib/combobox.mjs";
import { make, terms, the } from "../lib/dom.mjs";
import * as locale from "../lib/locale.mjs";

const input = the("index");
const card = the("index-says");
let indices = [];

const COMMON = ["NDVI", "EVI", "SAVI", "NDWI", "MNDWI", "NDSI", "NBR", "NDMI", "NDRE", "BSI", "NDBI", "GNDVI"];
/** What is offered before others that fit as well. */

/** The indices that fit a text, the best first. */
function find(text) {
  const words = text.toLowerCase().split(/\s+/).filter((word) => word);
  const rank = (index) => {
    const [name, all] = [index.name.toLowerCase(), `${index.name} ${index.long_name} ${index.domain}`.toLowerCase()];
    if (!words.every((word) => all.includes(word))) return null;
    const begins = !words.length || name.startsWith(words[0]);
    const common = COMMON.indexOf(index.name);
    return (name === words[0] ? 0 : begins ? 1 : 2) * 1000 + (common < 0 ? COMMON.length : common);
  };
  return indices.map((index) => [rank(index), index]).filter(([score]) => score !== null).sort(([one], [other]) => one - other)
    .map(([, index]) => ({ value: index.name, says: `${index.long_name} · ${index.domain}` }));
}

/** Tell of the index that is named. */
export function describe() {
  const index = indices.find(({ name }) => name.toLowerCase() === input.value.trim().toLowerCase());
  if (!index) {
    const text = indices.length ? "No index has this name. Type a part of its name, or what it is for: snow, water, burn …" : "";
    card.replaceChildren(make("p", { class: "hint" }, text));
    return;
  }
  const constants = index.constants.map(({ name, value }) => `${name} = ${locale.value(value)}`);
  const link = /^https?:\/\//.test(index.reference);
  card.replaceChildren(
    make("strong", {}, index.long_name),
    make("code", {}, index.formula),
    terms({
      "For": index.domain, "Bands": locale.joined(index.bands), "With": constants.length ? locale.joined(constants) : null,
      "See": link ? make("a", { href: index.reference, target: "_blank", rel: "noreferrer" }, index.reference.replace(/^https?:\/\/(doi\.org\/)?/, "")) : index.reference,
    }));
}

/** Get the catalogue; without it any name can still be typed. */
export async function load() {
  indices = await get("indices").catch(() => []);
  describe();
}

combobox(input, the("index-list"), find);
input.addEventListener("input", describe);
