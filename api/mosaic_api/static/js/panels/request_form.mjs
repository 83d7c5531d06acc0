// The form for a new mosaic.

import { post } from "../lib/api.mjs";
import { button, byId, notify } from "../lib/dom.mjs";
import { clearProblems, fieldOf, fill, onSubmit, showParts, valuesOf } from "../lib/fields.mjs";
import { settings } from "../lib/settings.mjs";
import { formOf, pictureBands, specOf } from "../lib/spec.mjs";
import { open } from "../lib/tabs.mjs";
import { areaOf, setArea } from "./area.mjs";
import { classesOf, setClasses } from "./classes.mjs";
import { showColours } from "./colours.mjs";
import { estimateSoon } from "./estimate.mjs";
import { describe } from "./indices.mjs";
import { showLocalScenes } from "./local_scenes.mjs";
import { scenesOf, setScenes } from "./scenes.mjs";

const form = byId("request-form", HTMLFormElement);
const copiedFrom = byId("copied-from");
const source = fieldOf(form, "source");
const DEFAULT_MASKS = ["cloud", "shadow"];
const MONTH_MILLISECONDS = 30 * 86400 * 1000;
/** The spec of the request that was copied, or {}. @type {Draft<import("../lib/spec.mjs").Spec>} */
let base = {};

/** The spec that the form describes. */
const currentSpec = () => specOf({ ...valuesOf(form), classes: classesOf() }, areaOf(), scenesOf(), base);

/** Show the parts of the form that the choices need. */
function show() {
  const values = valuesOf(form);
  const spec = currentSpec();
  const search = values.source !== "files";
  const catalogue = search && values.source !== "earthDaily";
  showParts(form, new Set([
    values.product, values.source, `stretch-${values.stretch}`,
    ...(search ? ["search"] : []), ...(catalogue ? ["stac"] : []), ...(values.source === "stac" ? ["url"] : []),
    ...(["percentile", "geomedian"].includes(values.method) ? [values.method] : []), ...(values.crs === "epsg" ? ["epsg"] : []),
    pictureBands(spec.product, spec.output?.picture).length < 3 ? "one-band" : "three-bands",
    ...(spec.product.classes ? [] : ["stretched"]),
  ]));
  for (const name of ["method", "source"]) byId(`${name}-hint`).textContent = fieldOf(form, name).selectedOptions[0]?.title ?? "";
  byId("unit").textContent = values.crs === "epsg" && values.epsg === "4326" ? "°" : values.crs === "epsg" ? "CRS units" : "m";
  showColours(form, spec);
}

function changed() {
  show();
  if (settings.localScenes && source.value === "files") showLocalScenes();
  estimateSoon(currentSpec());
}

/** Set the default masks of the source, unless the user chose others: scenes of a catalogue have masks, files and EarthDaily's mosaics do not. */
function sourceChanged() {
  const { mask } = valuesOf(form);
  const isDefault = mask.length === 0 || mask.join() === DEFAULT_MASKS.join();
  if (isDefault) fill(form, { mask: ["files", "earthDaily"].includes(source.value) ? [] : DEFAULT_MASKS });
}

/** Hide the problems, and show what the fields contain. */
function refresh() {
  clearProblems(form);
  describe();
  changed();
}

/** Fill the form with the spec of a request, to be changed and created again. @param {import("../layers/mosaic_layer.mjs").Request} request */
export function copy(request) {
  const { spec } = request;
  base = spec;
  fill(form, formOf(spec));
  fieldOf(form, "name").value = "";
  setScenes(spec.source.files?.scenes ?? [{}]);
  setClasses(spec.product.classes ?? []);
  setArea(spec.area ?? null, { look: true });
  const redacted = request.redacted ? "URLs are shown without their query, which only the owner can see: complete those that need a signature. " : "";
  copiedFrom.replaceChildren(`Copied from ${request.name}. Change what you need. ${redacted}`, button("Start over", reset, { class: "link" }));
  copiedFrom.hidden = false;
  refresh();
  open("new", true);
}

/** Empty the form: the last month, and no area. */
function reset() {
  form.reset();
  base = {};
  const [from, to] = [Date.now() - MONTH_MILLISECONDS, Date.now()].map((time) => new Date(time).toISOString().slice(0, 10));
  fill(form, { from, to });
  setScenes([{}]);
  setClasses([]);
  setArea(null);
  copiedFrom.hidden = true;
  refresh();
}

onSubmit(form, async () => {
  const { name, place } = valuesOf(form);
  const central = place === "central" && !byId("run-on").hidden;
  const request = await post(central ? "central/requests" : "requests", { name: name || null, spec: currentSpec() });
  if (central) notify(`${request.name} queued on the central server.`);
  else document.dispatchEvent(new CustomEvent("created", { detail: request }));
  fieldOf(form, "name").value = "";
});
source.addEventListener("input", sourceChanged);
form.addEventListener("input", changed);
document.addEventListener("indices", show);
form.addEventListener("area", () => estimateSoon(currentSpec()));
reset();
