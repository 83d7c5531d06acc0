// The field for a spectral index: search by name or topic, and a card that describes the chosen index.

import { get } from "../lib/api.mjs";
import { combobox } from "../lib/combobox.mjs";
import { byId, definitions, make } from "../lib/dom.mjs";
import * as locale from "../lib/locale.mjs";

/** @typedef {Schemas["Index"]} Index */

const input = byId("index", HTMLInputElement);
const card = byId("index-card");
/** @type {Index[]} */
let indices = [];

/** Suggested before others that match as well. */
const COMMON = ["NDVI", "EVI", "SAVI", "NDWI", "MNDWI", "NDSI", "NBR", "NDMI", "NDRE", "BSI", "NDBI", "GNDVI"];

/** The indices that match a text, best first. @param {string} text */
function find(text) {
  const words = text.toLowerCase().split(/\s+/).filter((word) => word);
  const rank = (/** @type {Index} */ index) => {
    const [name, all] = [index.name.toLowerCase(), `${index.name} ${index.long_name} ${index.domain}`.toLowerCase()];
    if (!words.every((word) => all.includes(word))) return null;
    const begins = !words.length || name.startsWith(words[0]);
    const common = COMMON.indexOf(index.name);
    return (name === words[0] ? 0 : begins ? 1 : 2) * 1000 + (common < 0 ? COMMON.length : common);
  };
  return indices.map((index) => ({ index, score: rank(index) })).filter(({ score }) => score !== null)
    .sort((one, other) => Number(one.score) - Number(other.score))
    .map(({ index }) => ({ value: index.name, description: `${index.long_name} · ${index.domain}` }));
}

/** The index in the field; undefined if there is none of that name. */
export const chosenIndex = () => indices.find(({ name }) => name.toLowerCase() === input.value.trim().toLowerCase());

/** Show the card of the index in the field. */
export function describe() {
  const index = chosenIndex();
  if (!index) {
    const text = indices.length ? "No matching index. Try a name (NDVI) or a topic (snow, water, burn)." : "";
    card.replaceChildren(make("p", { class: "hint" }, text));
    return;
  }
  const constants = index.constants.map(({ name, value }) => `${name} = ${locale.value(value)}`);
  const link = /^https?:\/\//.test(index.reference);
  card.replaceChildren(
    make("strong", {}, index.long_name),
    make("code", {}, index.formula),
    definitions({
      "Topic": index.domain, "Bands": locale.joined(index.bands), "Constants": constants.length ? locale.joined(constants) : null,
      "Reference": link ? make("a", { href: index.reference, target: "_blank", rel: "noreferrer" }, index.reference.replace(/^https?:\/\/(doi\.org\/)?/, "")) : index.reference,
    }));
}

/** Load the catalogue of indices; without it, any name can still be typed. */
export async function load() {
  indices = await get("indices").catch(() => []);
  describe();
  document.dispatchEvent(new CustomEvent("indices"));
}

combobox(input, byId("index-list"), find);
input.addEventListener("input", describe);
