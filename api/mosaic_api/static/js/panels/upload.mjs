// Adding data: a file, or a point; where it is, where the file does not tell, and what it is called.

import { Problem, upload } from "../lib/api.mjs";
import { drawnBox } from "./area.mjs";
import { notify, the } from "../lib/dom.mjs";
import { picked } from "../layers/drawing.mjs";
import { layerOf } from "../layers/dataset_layer.mjs";
import { clearProblems, held, showParts, showProblem } from "../lib/fields.mjs";
import { ENDS, SAYS } from "./formats.mjs";
import { wrapped } from "../lib/geo.mjs";
import { layers } from "../layers/layers.mjs";
import * as locale from "../lib/locale.mjs";
import { lookAt, told } from "../layers/map.mjs";

const form = the("entry-form");
const { file, name, placed } = form.elements;
const progress = the("entry-progress");
const PLACED = ["west", "south", "east", "north"];

function show() {
  const { kind } = held(form);
  showParts(form, new Set([kind, ...(kind === "point" ? [] : ["file"]), ...(kind === "image" && placed.checked ? ["placed"] : [])]));
  the("file-says").textContent = `${SAYS[kind] ?? ""} At most ${locale.bytes(told.maxUploadBytes)}.`;
  file.accept = ENDS[kind] ?? "";
}

/** What is sent: only what the kind needs. */
function parts() {
  const values = held(form);
  const sent = new FormData();
  const wanted = ["kind", "name", "description", "creator",
    ...(values.kind === "point" ? ["longitude", "latitude"] : []), ...(values.kind === "image" && placed.checked ? PLACED : [])];
  for (const field of wanted) if (values[field] !== "") sent.append(field, values[field]);
  if (values.kind !== "point" && file.files[0]) sent.append("file", file.files[0]);
  return sent;
}

/** What would be refused only after all of a file was sent. */
function wrong(sent) {
  const sentFile = sent.get("file");
  if (sent.get("kind") !== "point" && !sentFile) return new Problem("Choose a file.", 0, "file");
  if (sentFile && sentFile.size > told.maxUploadBytes) return new Problem(`The file is larger than ${locale.bytes(told.maxUploadBytes)}.`, 0, "file");
  if (!sent.get("name")) return new Problem("Give it a name.", 0, "name");
  const missing = sent.get("kind") === "point" ? ["longitude", "latitude"] : placed.checked && sent.get("kind") === "image" ? PLACED : [];
  const field = missing.find((side) => !sent.has(side));
  return field ? new Problem("Say where it is.", 0, field) : null;
}

async function send(event) {
  event.preventDefault();
  clearProblems(form);
  the("entry-problem").hidden = true;
  const sent = parts();
  const refused = wrong(sent);
  if (refused) { showProblem(form, the("entry-problem"), refused); return; }
  the("entry-button").disabled = true;
  [progress.hidden, progress.value] = [false, 0];
  try {
    const entry = await upload("datasets", sent, (part) => { if (part < 1) progress.value = part; else progress.removeAttribute("value"); });
    const { creator } = held(form);
    form.reset();
    form.elements.creator.value = creator;
    show();
    the("add-data").open = false;
    the("add-data").querySelector("summary").focus();
    layers.add(layerOf(entry));
    lookAt(entry.bounds);
    notify(`${entry.name} is kept, and on the map.`);
    document.dispatchEvent(new Event("entry"));
  } catch (error) {
    showProblem(form, the("entry-problem"), error);
  } finally {
    the("entry-button").disabled = false;
    progress.hidden = true;
  }
}

the("place-picture").addEventListener("click", async () => {
  const box = await drawnBox("Click on one corner of the picture, then on the opposite one.");
  if (box) PLACED.forEach((side, number) => { form.elements[side].value = box[number]; });
});
the("place-point").addEventListener("click", async () => {
  const place = await picked("Click where the point is.");
  if (!place) return;
  form.elements.longitude.value = wrapped(place.lng).toFixed(6);
  form.elements.latitude.value = place.lat.toFixed(6);
});
file.addEventListener("change", () => { if (!name.value && file.files[0]) name.value = file.files[0].name.replace(/\.[^.]*$/, "").slice(0, 100); });
form.addEventListener("change", show);
form.addEventListener("submit", send);
show();
