// The area of the mosaic: drawn, typed, the map view, the extent of a layer, or polygons from a file.

import { Problem, upload } from "../lib/api.mjs";
import { byId, make } from "../lib/dom.mjs";
import { clearProblems, fieldOf, showProblem } from "../lib/fields.mjs";
import { boundsNear, boxOfArea, boxOfCorners, polygonOf, ringsOf } from "../lib/geo.mjs";
import * as locale from "../lib/locale.mjs";
import { settings } from "../lib/settings.mjs";
import { drawn } from "../layers/drawing.mjs";
import { layers } from "../layers/layers.mjs";
import { lookAt, map, viewBox } from "../layers/map.mjs";
import { EXTENSIONS, FORMATS } from "./formats.mjs";

/**
 * @typedef {import("../lib/geo.mjs").Box} Box
 * @typedef {import("../lib/geo.mjs").Area} Area while the user types, sides of the bbox can be null.
 */

const form = byId("request-form", HTMLFormElement);
const inputs = ["west", "south", "east", "north"].map((side) => fieldOf(form, side));
const footprints = byId("footprint", HTMLSelectElement);
const file = byId("area-file", HTMLInputElement);
const summary = byId("area-summary");
const EARTH_KM = 6371.0088;
/** @type {Area | null} */
let area = null;
/** @type {L.Polygon | null} */
let shape = null;

/** The area as in the spec; null if there is none. */
export const areaOf = () => area;

/** The size of a box in square kilometres. @param {Box} box */
function squareKilometres([west, south, east, north]) {
  const radians = (/** @type {number} */ degrees) => (degrees * Math.PI) / 180;
  const width = radians((east - west + 360) % 360 || 360);
  return EARTH_KM ** 2 * width * (Math.sin(radians(north)) - Math.sin(radians(south)));
}

/** @param {Box | null} box */
const isComplete = (box) => box !== null && box.every((side) => side !== null);

function describe() {
  const box = boxOfArea(area);
  if (!area || !box) return "Draw on the map, or type a bounding box (longitude and latitude, WGS 84).";
  if (!isComplete(box)) return "Fill in all four sides.";
  const crossing = box[0] > box[2] ? " It crosses the antimeridian." : "";
  if (!area.geometry) return `${locale.about(squareKilometres(box))} km².${crossing}`;
  const vertices = ringsOf(area.geometry).reduce((sum, ring) => sum + ring.length - 1, 0);
  const { type, coordinates } = area.geometry;
  const polygons = type === "Polygon" || coordinates.length === 1 ? "Polygon" : locale.count(coordinates.length, "polygon");
  return `${polygons}, ${locale.count(vertices, "vertex", "vertices")}. The box above is the extent.${crossing}`;
}

function draw() {
  shape?.remove();
  shape = null;
  const box = boxOfArea(area);
  if (!area || !box || !isComplete(box)) return;
  const style = { pane: "sketch", className: "area-shape", interactive: false, pmIgnore: true };
  const bounds = boundsNear(box, map.getCenter().lng);
  if (area.geometry) {
    const rings = ringsOf(area.geometry);
    const turn = bounds[0][1] - Math.min(...rings.flat().map(([longitude]) => longitude));
    shape = L.polygon(rings.map((ring) => ring.map(([longitude, latitude]) => /** @type {[number, number]} */ ([latitude, longitude + turn]))), style);
  } else shape = L.rectangle(bounds, style);
  shape.addTo(map);
}

/**
 * Set the area.
 * @param {Area | null} next
 * @param {{look?: boolean, typed?: boolean}} options `look` moves the map there; `typed` keeps what the fields contain.
 */
export function setArea(next, { look = false, typed = false } = {}) {
  area = next;
  const box = boxOfArea(area);
  if (!typed) inputs.forEach((input, side) => { input.value = box ? String(box[side]) : ""; });
  draw();
  summary.textContent = describe();
  byId("clear-area").hidden = !area;
  if (look && box) lookAt(box);
  form.dispatchEvent(new Event("area"));
}

function readInputs() {
  const values = inputs.map((input) => (input.value === "" ? null : Number(input.value)));
  setArea(values.every((value) => value === null) ? null : { bbox: /** @type {Box} */ (values) }, { typed: true });
}

/** The box that the user draws; null if they cancel. @param {string} text the hint. */
export async function drawnBox(text) {
  const bounds = (await drawn("Rectangle", text))?.getBounds();
  return bounds ? boxOfCorners(bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth()) : null;
}

byId("draw-rectangle").addEventListener("click", async () => {
  const bbox = await drawnBox("Click one corner, then the opposite corner.");
  if (bbox) setArea({ bbox });
});
byId("draw-polygon").addEventListener("click", async () => {
  const polygon = await drawn("Polygon", "Click to add vertices; click the first vertex to finish.");
  if (polygon) setArea({ geometry: polygonOf(/** @type {L.LatLng[][]} */ (polygon.getLatLngs())[0]) });
});
byId("use-view").addEventListener("click", () => setArea({ bbox: viewBox() }));
byId("clear-area").addEventListener("click", () => { setArea(null); inputs[3].focus(); });
for (const input of inputs) input.addEventListener("input", readInputs);

/** Use the polygons of a file, which the server reads: it knows all formats and coordinate systems. */
async function readFile() {
  const chosen = file.files?.[0];
  if (!chosen) return;
  clearProblems(form);
  const sent = new FormData();
  sent.append("file", chosen);
  file.disabled = true;
  summary.textContent = `Reading ${chosen.name} …`;
  /** @type {unknown} */
  let problem = null;
  try {
    if (chosen.size > settings.maxUploadBytes) throw new Problem(`The file is larger than ${locale.bytes(settings.maxUploadBytes)}.`, 0, "file");
    const found = await upload("areas", sent, () => {});
    setArea({ geometry: /** @type {any} */ (found.geometry) }, { look: true });
    if (found.left_out) summary.textContent += ` ${locale.count(found.left_out, "feature")} skipped: not a polygon.`;
  } catch (error) {
    problem = error;
    summary.textContent = describe();
  }
  file.disabled = false;
  file.value = ""; // so that the user can choose the same file again
  if (problem) showProblem(form, problem);
}
file.accept = EXTENSIONS.vector;
byId("area-file-hint").textContent = `${FORMATS.area} At most ${locale.bytes(settings.maxUploadBytes)}.`;
file.addEventListener("change", readFile);

footprints.addEventListener("change", () => {
  const layer = layers.find(footprints.value);
  footprints.value = "";
  if (!layer) return;
  const { footprint } = layer;
  setArea(footprint ? { geometry: { type: footprint.type, coordinates: footprint.coordinates } } : { bbox: layer.box }, { look: true });
});
layers.addEventListener("change", () => {
  const hasArea = (/** @type {{box: Box}} */ { box }) => box[1] !== box[3];
  footprints.replaceChildren(make("option", { value: "" }, "Choose a layer …"),
    ...layers.list.filter(hasArea).map(({ key, title }) => make("option", { value: key }, title)));
  footprints.disabled = footprints.options.length === 1;
});
footprints.disabled = true;
