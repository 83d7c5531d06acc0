// The scenes of `source.files`: an Item, a SAFE product, or the file of each band with what is to be known of it.

import { button, iconButton, make, the } from "../lib/dom.mjs";
import { json, written } from "../lib/spec.mjs";

const box = the("scenes");
const KINDS = { item: "STAC Item", bands: "files of its bands", safe: "Sentinel-2 product (SAFE)" };
const DETAILS = { band: "Band in the file", scale: "Scale", offset: "Offset", nodata: "No data" };
const MASKS = { scl: "Sentinel-2 scene classification", qaPixel: "Landsat QA_PIXEL", fmask: "HLS Fmask", earthDaily: "EarthDaily cloud mask", nonzero: "not zero: left out", zero: "zero: left out" };
let count = 0;

const changed = () => box.dispatchEvent(new Event("input", { bubbles: true }));
const filled = (pairs) => Object.fromEntries(pairs.filter(([, value]) => value !== undefined));
const asObject = (file) => (typeof file === "string" ? { href: file } : file ?? {});
const short = (file) => (Object.keys(file).length === 1 ? file.href : file);

function named(label, field) {
  field.id ||= `scene-${++count}`;
  return make("div", { class: "field" }, make("label", { for: field.id }, label), field);
}

const address = (value) => make("input", { type: "text", inputMode: "url", value: value ?? "", placeholder: "https://…", spellcheck: false });

/** The row of one band; `read()` gives its name and its file. */
function bandRow(name, file) {
  const known = asObject(file);
  const [title, href] = [make("input", { value: name, placeholder: "nir", spellcheck: false, "aria-label": "Band" }), address(known.href)];
  href.ariaLabel = "Address of its file";
  const numbers = Object.entries(DETAILS).map(([key, label]) => [key, make("input", { type: "number", step: "any", value: known[key] ?? "", ariaLabel: label, placeholder: label })]);
  const element = make("div", { class: "band" },
    make("div", { class: "row" }, title, href, iconButton("close", "Take this band away", () => { element.remove(); changed(); })),
    make("details", { open: numbers.some(([, field]) => field.value !== "") }, make("summary", {}, "Scale, offset, no data"),
      make("div", { class: "pair" }, ...numbers.map(([key, field]) => named(DETAILS[key], field)))));
  element.read = () => [title.value.trim(), short(filled([["href", href.value], ...numbers.map(([key, field]) => [key, field.value === "" ? undefined : Number(field.value)])]))];
  element.nameFields = (path) => { for (const field of element.querySelectorAll("input")) field.dataset.field = `${path}.bands.${title.value.trim()}`; };
  return element;
}

/** The fields of one scene; `read()` gives it as in the spec. */
function sceneFields(scene) {
  const kind = make("select", {}, ...Object.entries(KINDS).map(([value, label]) => make("option", { value }, label)));
  kind.value = Object.keys(KINDS).find((key) => scene[key]) ?? "item";
  const reference = address(scene.item ?? scene.safe);
  const bands = make("div", { class: "bands" }, ...Object.entries(scene.bands ?? { red: "", nir: "" }).map(([name, file]) => bandRow(name, file)));
  const mask = asObject(scene.mask);
  const maskAddress = address(mask.href);
  const values = make("select", {}, ...Object.entries(MASKS).map(([value, label]) => make("option", { value }, label)));
  values.value = mask.values ?? "scl";
  const [taken, cloud] = [make("input", { value: scene.datetime ?? "", placeholder: "2024-07-01T19:03:11Z" }), make("input", { type: "number", min: 0, max: 100, step: "any", value: scene.cloudCover ?? "" })];
  const referenceField = named("Its address", reference);
  const assets = make("textarea", { rows: 2, value: written(scene.assets), placeholder: '{"nir": "B08", "mask": "SCL"}', spellcheck: false });
  const assetsField = named("Assets by band (JSON), where names differ", assets);
  const ofBands = make("div", { class: "stack" }, bands,
    make("div", {}, button("Add a band", () => { bands.append(bandRow("", "")); bands.lastElementChild.querySelector("input").focus(); }, { class: "plain" })),
    make("div", { class: "pair" }, named("Taken", taken), named("Clouds (%)", cloud)));
  const ofMask = make("div", { class: "pair" }, named("Address of a mask, if there is one", maskAddress), named("Its values", values));
  const legend = make("legend", {}, "Scene");
  const element = make("fieldset", {}, legend,
    make("div", { class: "row between" }, named("Kind", kind), iconButton("close", "Take this scene away", () => { element.remove(); changed(); })),
    referenceField, assetsField, ofBands, ofMask);
  const show = () => {
    referenceField.hidden = kind.value === "bands";
    assetsField.hidden = kind.value !== "item";
    ofBands.hidden = kind.value !== "bands";
    ofMask.hidden = kind.value === "safe";
  };
  kind.addEventListener("change", show);
  show();
  element.read = () => {
    const bandsOnly = (value) => (kind.value === "bands" && value !== "" ? value : undefined);
    const read = kind.value === "bands" ? Object.fromEntries([...bands.children].map((row) => row.read())) : reference.value;
    return filled([[kind.value, read],
      ["assets", kind.value === "item" ? json(assets.value) : undefined],
      ["mask", kind.value !== "safe" && maskAddress.value ? short(filled([...Object.entries(mask), ["href", maskAddress.value], ["values", values.value === "scl" ? undefined : values.value]])) : undefined],
      ["datetime", bandsOnly(taken.value)], ["cloudCover", bandsOnly(cloud.value === "" ? "" : Number(cloud.value))]]);
  };
  element.nameFields = (number) => {
    const path = `spec.source.files.scenes[${number}]`;
    element.dataset.field = path;
    reference.dataset.field = `${path}.item ${path}.safe`;
    assets.dataset.field = `${path}.assets`;
    maskAddress.dataset.field = `${path}.mask`;
    taken.dataset.field = `${path}.datetime`;
    cloud.dataset.field = `${path}.cloudCover`;
    legend.textContent = `Scene ${number + 1}`;
    for (const row of bands.children) row.nameFields(path);
  };
  return element;
}

/** The scenes as in the spec. */
export function scenesOf() {
  [...box.children].forEach((scene, number) => scene.nameFields(number));
  return [...box.children].map((scene) => scene.read());
}

/** Show the fields of some scenes. */
export function setScenes(scenes) {
  box.replaceChildren(...scenes.map(sceneFields));
  scenesOf();
}

const same = (one, other) => (one.item ?? one.safe) === (other.item ?? other.safe);
const isEmpty = (scene) => scene.item === "";

/** What names those scenes that are asked for by an Item or a product. */
export const taken = () => new Set(scenesOf().map(({ item, safe }) => item ?? safe));

/** Take a scene in, or out again. */
export function toggle(scene) {
  const there = scenesOf();
  const left = there.filter((other) => !same(scene, other) && !isEmpty(other));
  setScenes(there.some((other) => same(scene, other)) ? left : [...left, scene]);
  changed();
}

the("add-scene").addEventListener("click", () => {
  box.append(sceneFields({}));
  box.lastElementChild.querySelector("select").focus();
  changed();
});
