// The form in which a mosaic is asked for.

import { post } from "../lib/api.mjs";
import { areaOf, setArea } from "./area.mjs";
import { button, notify, the } from "../lib/dom.mjs";
import { estimateSoon } from "./estimate.mjs";
import { clearProblems, fill, held, showParts, showProblem } from "../lib/fields.mjs";
import { describe } from "./indices.mjs";
import { showHere } from "./local_scenes.mjs";
import { ramp } from "../layers/legend.mjs";
import { told } from "../layers/map.mjs";
import { scenesOf, setScenes } from "./scenes.mjs";
import { formOf, pictureBands, specOf } from "../lib/spec.mjs";
import { open } from "../lib/tabs.mjs";

const form = the("ask-form");
const problem = the("ask-problem");
const SAYS = {
  "earth-search": "Public; Sentinel-2 and Landsat as COGs.",
  "planetary-computer": "Public; no account needed.",
  stac: "Any catalogue that this installation may reach.",
  files: `${told.ownScenes ? "Those in the folders that this was started with, and f" : "F"}iles on servers that this installation may reach, which must give byte ranges.`,
  earthDaily: "Needs an account, whose key the installation has.",
};
const USUAL_MASKS = ["cloud", "shadow"];
const PERCENTILES = { stretch: "percentile", low: "2", high: "98" };
const REFLECTANCES = { stretch: "fixed", lower: "0", upper: "0.35" };
const A_MONTH = 30 * 86400 * 1000;
let base = {};

/** The spec that the form describes by now. */
const spec = () => specOf(held(form), areaOf(), scenesOf(), base);

/** Show what the choices need, and what they mean. */
function show() {
  const values = held(form);
  const search = values.source !== "files";
  const catalogue = search && values.source !== "earthDaily";
  showParts(form, new Set([
    values.product, values.source, `stretch-${values.stretch}`,
    ...(search ? ["search"] : []), ...(catalogue ? ["stac"] : []), ...(values.source === "stac" ? ["url"] : []),
    ...(values.method === "percentile" ? ["percentile"] : []), ...(values.crs === "epsg" ? ["epsg"] : []),
    ...(pictureBands(values) === 1 ? ["one-band"] : []),
  ]));
  the("source-says").textContent = SAYS[values.source];
  the("unit").textContent = values.crs === "epsg" && values.epsg === "4326" ? "°" : values.crs === "epsg" ? "its units" : "m";
  the("ramp").style.background = ramp(told.colormaps[values.colormap]);
}

function changed() {
  show();
  if (told.ownScenes && form.elements.source.value === "files") showHere();
  estimateSoon(spec());
}

/** Scenes of a catalogue bring masks along, files and EarthDaily's mosaics do not: what is usual to leave out follows the source, until it is chosen. */
function sourceChanged() {
  const { mask } = held(form);
  const usual = mask.length === 0 || mask.join() === USUAL_MASKS.join();
  if (usual) fill(form, { mask: ["files", "earthDaily"].includes(form.elements.source.value) ? [] : USUAL_MASKS });
}

/** Bands of reflectances are seen between fixed values, for snow and clouds would darken all else; until it is chosen. */
function pictureChanged() {
  const values = held(form);
  const known = values.source !== "files" || scenesOf().every(({ bands }) => !bands);
  const [before, usual] = values.product === "bands" && known ? [PERCENTILES, REFLECTANCES] : [REFLECTANCES, PERCENTILES];
  if (Object.entries(before).every(([name, value]) => values[name] === value)) fill(form, usual);
}

/** Fill the form as a request has it, to be changed and asked for again. */
export function again(request) {
  base = request.spec;
  fill(form, formOf(base));
  form.elements.name.value = "";
  setScenes(base.source.files?.scenes ?? [{}]);
  setArea(base.area ?? null, { look: true });
  clearProblems(form);
  problem.hidden = true;
  const cut = request.redacted ? "Its addresses are shown without their queries, which may hold signatures and which only its owner sees: complete those that need one. " : "";
  the("ask-again").replaceChildren(`As ${request.name}; change what you like. ${cut}`, button("Begin anew", begin, { class: "link" }));
  the("ask-again").hidden = false;
  describe();
  changed();
  open("ask", true);
}

/** An empty form: the last month, and no area. */
function begin() {
  form.reset();
  base = {};
  [form.elements.from.value, form.elements.to.value] = [Date.now() - A_MONTH, Date.now()].map((time) => new Date(time).toISOString().slice(0, 10));
  setScenes([{}]);
  setArea(null);
  clearProblems(form);
  problem.hidden = the("ask-again").hidden = true;
  describe();
  changed();
}

async function send(event) {
  event.preventDefault();
  clearProblems(form);
  problem.hidden = true;
  const { name, place } = held(form);
  const asked = { name: name || null, spec: spec() };
  the("ask-button").disabled = true;
  try {
    const central = place === "central" && !the("made-by").hidden;
    const request = await post(central ? "central/requests" : "requests", asked);
    if (central) notify(`${request.name} is asked of the central installation.`);
    else document.dispatchEvent(new CustomEvent("asked", { detail: request }));
    form.elements.name.value = "";
  } catch (error) {
    showProblem(form, problem, error);
  } finally {
    the("ask-button").disabled = false;
  }
}

form.addEventListener("submit", send);
form.elements.source.addEventListener("input", sourceChanged);
for (const field of [form.elements.source, ...form.elements.product]) field.addEventListener("input", pictureChanged);
form.addEventListener("input", changed);
form.addEventListener("area", () => estimateSoon(spec()));
begin();
