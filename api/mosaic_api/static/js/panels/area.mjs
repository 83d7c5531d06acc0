// Where the mosaic is to be: drawn, typed, taken from the map's view, from a layer or from a file.

import { Problem, upload } from "../lib/api.mjs";
import { make, the } from "../lib/dom.mjs";
import { drawn } from "../layers/drawing.mjs";
import { clearProblems, showProblem } from "../lib/fields.mjs";
import { ENDS, SAYS } from "./formats.mjs";
import { boundsNear, boxOfArea, boxOfCorners, polygonOf, ringsOf } from "../lib/geo.mjs";
import { layers } from "../layers/layers.mjs";
import * as locale from "../lib/locale.mjs";
import { lookAt, map, told, viewBox } from "../layers/map.mjs";

const SIDES = ["west", "south", "east", "north"];
const inputs = SIDES.map((side) => the("ask-form").elements[side]);
const footprints = the("footprint");
const file = the("area-file");
const EARTH_KM = 6371.0088;
let area = null;
let shape = null;

/** The area as in the spec; null where none is said. */
export const areaOf = () => area;

/** The size of a box in square kilometres. */
function squareKilometres([west, south, east, north]) {
  const radians = (degrees) => (degrees * Math.PI) / 180;
  const width = radians((east - west + 360) % 360 || 360);
  return EARTH_KM ** 2 * width * (Math.sin(radians(north)) - Math.sin(radians(south)));
}

function says() {
  if (!area) return "Degrees. Draw on the map, or type the corners.";
  const box = boxOfArea(area);
  if (box.some((side) => side === null)) return "A corner is missing.";
  if (area.geometry) {
    const corners = ringsOf(area.geometry).reduce((sum, ring) => sum + ring.length - 1, 0);
    const { type, coordinates } = area.geometry;
    const what = type === "Polygon" || coordinates.length === 1 ? "A polygon" : `${locale.integer(coordinates.length)} polygons`;
    return `${what} of ${locale.integer(corners)} corners, in this box.`;
  }
  const across = box[0] > box[2] ? " It crosses the antimeridian." : "";
  return `${locale.about(squareKilometres(box))} km².${across}`;
}

function draw() {
  shape?.remove();
  shape = null;
  const box = area && boxOfArea(area);
  if (!box || box.some((side) => side === null)) return;
  const style = { pane: "sketch", className: "area-shape", interactive: false, pmIgnore: true };
  const bounds = boundsNear(box, map.getCenter().lng);
  if (area.geometry) {
    const found = ringsOf(area.geometry);
    const turn = bounds[0][1] - Math.min(...found.flat().map(([longitude]) => longitude));
    shape = L.polygon(found.map((ring) => ring.map(([longitude, latitude]) => [latitude, longitude + turn])), style);
  } else shape = L.rectangle(bounds, style);
  shape.addTo(map);
}

/** Take an area, or none; `look` moves the map there. */
export function setArea(next, { look = false, typed = false } = {}) {
  area = next;
  const box = area && boxOfArea(area);
  if (!typed) inputs.forEach((input, side) => { input.value = box ? box[side] : ""; });
  draw();
  the("area-says").textContent = says();
  the("clear-area").hidden = !area;
  if (look && box) lookAt(box);
  the("ask-form").dispatchEvent(new Event("area"));
}

function typed() {
  const values = inputs.map((input) => (input.value === "" ? null : Number(input.value)));
  setArea(values.every((value) => value === null) ? null : { bbox: values }, { typed: true });
}

const corners = (shape) => {
  const bounds = shape.getBounds();
  return boxOfCorners(bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth());
};

/** A box that the user draws; null if none. */
export async function drawnBox(text) {
  const found = await drawn("Rectangle", text);
  return found && corners(found);
}

the("draw-rectangle").addEventListener("click", async () => {
  const bbox = await drawnBox("Click on one corner, then on the opposite one.");
  if (bbox) setArea({ bbox });
});
the("draw-polygon").addEventListener("click", async () => {
  const found = await drawn("Polygon", "Click on the corners one after the other; on the first one again to end.");
  if (found) setArea({ geometry: polygonOf(found.getLatLngs()[0]) });
});
the("use-view").addEventListener("click", () => setArea({ bbox: viewBox() }));
the("clear-area").addEventListener("click", () => { setArea(null); inputs[3].focus(); });
for (const input of inputs) input.addEventListener("input", typed);

/** Take the polygons of a file, which the server reads: it knows all formats, and all coordinates. */
async function fromFile() {
  const [chosen] = file.files;
  if (!chosen) return;
  clearProblems(the("ask-form"));
  the("ask-problem").hidden = true;
  const sent = new FormData();
  sent.append("file", chosen);
  file.disabled = true;
  the("area-says").textContent = `Reading ${chosen.name} …`;
  let problem = null;
  try {
    if (chosen.size > told.maxUploadBytes) throw new Problem(`The file is larger than ${locale.bytes(told.maxUploadBytes)}.`, 0, "file");
    const found = await upload("areas", sent, () => {});
    setArea({ geometry: found.geometry }, { look: true });
    if (found.left_out) the("area-says").textContent += ` Features of the file that are no polygons are left out: ${locale.integer(found.left_out)}.`;
  } catch (error) {
    problem = error;
    the("area-says").textContent = says();
  }
  file.disabled = false;
  file.value = ""; // so that the same one can be chosen again
  if (problem) showProblem(the("ask-form"), the("ask-problem"), problem);
}
file.accept = ENDS.vector;
the("area-file-says").textContent = `${SAYS.area} At most ${locale.bytes(told.maxUploadBytes)}.`;
file.addEventListener("change", fromFile);

footprints.addEventListener("change", () => {
  const layer = layers.find(footprints.value);
  footprints.value = "";
  if (!layer) return;
  const footprint = layer.entry?.footprint ?? layer.request?.spec.area?.geometry;
  const polygon = footprint && ["Polygon", "MultiPolygon"].includes(footprint.type);
  setArea(polygon ? { geometry: { type: footprint.type, coordinates: footprint.coordinates } } : { bbox: layer.box }, { look: true });
});
layers.addEventListener("change", () => {
  const flat = ({ box }) => box[1] === box[3];
  footprints.replaceChildren(make("option", { value: "" }, "a layer on the map …"),
    ...layers.list.filter((layer) => !flat(layer)).map(({ key, title }) => make("option", { value: key }, title)));
  footprints.disabled = footprints.options.length === 1;
});
footprints.disabled = true;
