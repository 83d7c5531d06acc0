// The form that adds a dataset: a file or a point, its extent if the file has none, and its name.

import { Problem, upload } from "../lib/api.mjs";
import { byId, notify, showProgress } from "../lib/dom.mjs";
import { fieldOf, onSubmit, showParts, valuesOf } from "../lib/fields.mjs";
import { wrapped } from "../lib/geo.mjs";
import * as locale from "../lib/locale.mjs";
import { settings } from "../lib/settings.mjs";
import { layerOf } from "../layers/dataset_layer.mjs";
import { picked } from "../layers/drawing.mjs";
import { layers } from "../layers/layers.mjs";
import { lookAt } from "../layers/map.mjs";
import { drawnBox } from "./area.mjs";
import { EXTENSIONS, FORMATS } from "./formats.mjs";

const form = byId("dataset-form", HTMLFormElement);
const file = fieldOf(form, "file");
const name = fieldOf(form, "name");
const placed = fieldOf(form, "placed");
const progress = byId("dataset-progress", HTMLProgressElement);
const SIDES = ["west", "south", "east", "north"];

function show() {
  const { kind } = valuesOf(form);
  showParts(form, new Set([kind, ...(kind === "point" ? [] : ["file"]), ...(kind === "image" && placed.checked ? ["placed"] : [])]));
  byId("file-hint").textContent = `${FORMATS[kind] ?? ""} At most ${locale.bytes(settings.maxUploadBytes)}.`;
  file.accept = EXTENSIONS[kind] ?? "";
}

/** The fields that the kind needs, to be sent. */
function parts() {
  const values = valuesOf(form);
  const sent = new FormData();
  const wanted = ["kind", "name", "description", "creator",
    ...(values.kind === "point" ? ["longitude", "latitude"] : []), ...(values.kind === "image" && placed.checked ? SIDES : [])];
  for (const field of wanted) if (values[field] !== "") sent.append(field, values[field]);
  if (values.kind !== "point" && file.files?.[0]) sent.append("file", file.files[0]);
  return sent;
}

/** Refuse what the server would refuse only after it received the whole file. @param {FormData} sent @throws {Problem} */
function check(sent) {
  const sentFile = sent.get("file");
  if (sent.get("kind") !== "point" && !sentFile) throw new Problem("Choose a file.", 0, "file");
  if (sentFile instanceof File && sentFile.size > settings.maxUploadBytes) throw new Problem(`The file is larger than ${locale.bytes(settings.maxUploadBytes)}.`, 0, "file");
  if (!sent.get("name")) throw new Problem("Enter a name.", 0, "name");
  const needed = sent.get("kind") === "point" ? ["longitude", "latitude"] : placed.checked && sent.get("kind") === "image" ? SIDES : [];
  const missing = needed.find((field) => !sent.has(field));
  if (missing) throw new Problem("Enter coordinates.", 0, missing);
}

async function send() {
  const sent = parts();
  check(sent);
  showProgress(progress, 0);
  try {
    const dataset = await upload("datasets", sent, (share) => showProgress(progress, share < 1 ? share : null));
    const { creator } = valuesOf(form);
    form.reset();
    fieldOf(form, "creator").value = creator;
    show();
    byId("add-data", HTMLDetailsElement).open = false;
    byId("add-data").querySelector("summary")?.focus();
    layers.add(layerOf(dataset));
    lookAt(dataset.bounds);
    notify(`${dataset.name} added.`);
    document.dispatchEvent(new Event("dataset-added"));
  } finally {
    showProgress(progress, undefined);
  }
}

byId("place-picture").addEventListener("click", async () => {
  const box = await drawnBox("Click one corner of the image, then the opposite corner.");
  if (box) SIDES.forEach((side, index) => { fieldOf(form, side).value = String(box[index]); });
});
byId("place-point").addEventListener("click", async () => {
  const point = await picked("Click the position of the point.");
  if (!point) return;
  fieldOf(form, "longitude").value = wrapped(point.lng).toFixed(6);
  fieldOf(form, "latitude").value = point.lat.toFixed(6);
});
file.addEventListener("change", () => { if (!name.value && file.files?.[0]) name.value = file.files[0].name.replace(/\.[^.]*$/, "").slice(0, 100); });
form.addEventListener("change", show);
onSubmit(form, send);
show();
