// The scenes of `source.files`: each is a STAC Item, a Sentinel-2 product, or one file per band.

import { button, byId, iconButton, labelled, make } from "../lib/dom.mjs";
import { filled, json, jsonText } from "../lib/spec.mjs";

/**
 * @typedef {import("../lib/spec.mjs").Scene} Scene
 * @typedef {any} BandFile a URL or path, or an object with its details.
 */

const box = byId("scenes");
const KINDS = { item: "STAC Item", bands: "one file per band", safe: "Sentinel-2 product (SAFE)" };
const DETAILS = /** @type {const} */ ({ band: "Band number", scale: "Scale", offset: "Offset", nodata: "Nodata" });
const MASKS = {
  scl: "Sentinel-2 scene classification (SCL)", qaPixel: "Landsat QA_PIXEL", fmask: "HLS Fmask", earthDaily: "EarthDaily cloud mask",
  probability: "probability of cloud", nonzero: "non-zero = masked", zero: "zero = masked",
};

const changed = () => box.dispatchEvent(new Event("input", { bubbles: true }));
/** @param {BandFile | undefined} file @returns {Record<string, any>} */
const asObject = (file) => (typeof file === "string" ? { href: file } : file ?? {});
/** @param {Record<string, any>} file */
const short = (file) => (Object.keys(file).length === 1 ? file.href : file);

/** @param {Record<string, string>} labels by value. */
const select = (labels) => make("select", {}, ...Object.entries(labels).map(([value, label]) => make("option", { value }, label)));

/** @param {string | null | undefined} value */
const urlField = (value) => make("input", { type: "text", inputMode: "url", value: value ?? "", placeholder: "https://…", spellcheck: false });

/** @param {HTMLInputElement} field */
const numberIn = (field) => (field.value === "" ? undefined : Number(field.value));

/** @typedef {ReturnType<typeof bandRow>} BandRow */

/** The row of one band. @param {string} name @param {BandFile} file @param {(row: HTMLElement) => void} onRemove */
function bandRow(name, file, onRemove) {
  const known = asObject(file);
  const title = make("input", { value: name, placeholder: "nir", spellcheck: false, "aria-label": "Band" });
  const url = urlField(known.href);
  url.ariaLabel = "URL or path of the band";
  const numbers = Object.entries(DETAILS).map(([key, label]) => ({ key, label, field: make("input", { type: "number", step: "any", value: known[key] ?? "", placeholder: label }) }));
  const element = make("div", { class: "band" },
    make("div", { class: "row" }, title, url, iconButton("close", "Remove band", () => onRemove(element))),
    make("details", { open: numbers.some(({ field }) => field.value !== "") }, make("summary", {}, "Scale, offset, nodata"),
      make("div", { class: "pair" }, ...numbers.map(({ label, field }) => labelled(label, field)))));
  return {
    element,
    focus: () => title.focus(),
    /** The name and the file of the band, as in the spec. */
    read: () => [title.value.trim(), short({ href: url.value, ...filled(Object.fromEntries(numbers.map(({ key, field }) => [key, numberIn(field)]))) })],
    /** @param {string} path of the scene in the spec. */
    nameFields(path) { for (const field of element.querySelectorAll("input")) field.dataset.field = `${path}.bands.${title.value.trim()}`; },
  };
}

/** @typedef {ReturnType<typeof sceneFields>} SceneFields */

/** The fields of one scene. @param {Scene} scene */
function sceneFields(scene) {
  const kind = select(KINDS);
  kind.value = /** @type {(keyof typeof KINDS)[]} */ (Object.keys(KINDS)).find((key) => scene[key]) ?? "item";
  const reference = urlField(scene.item ?? scene.safe);
  const assets = make("textarea", { rows: 2, value: jsonText(scene.assets), spellcheck: false });
  const mask = asObject(scene.mask);
  const maskUrl = urlField(mask.href);
  const maskType = select(MASKS);
  maskType.value = mask.values ?? "scl";
  const acquired = make("input", { value: scene.datetime ?? "", placeholder: "2024-07-01T19:03:11Z" });
  const cloud = make("input", { type: "number", min: 0, max: 100, step: "any", value: scene.cloudCover ?? "" });
  const bands = make("div", { class: "bands" });
  /** @type {BandRow[]} */
  let rows = [];
  const addBand = (/** @type {string} */ name, /** @type {BandFile} */ file) => {
    const row = bandRow(name, file, (removed) => { removed.remove(); rows = rows.filter((other) => other !== row); changed(); });
    rows.push(row);
    bands.append(row.element);
    return row;
  };
  for (const [name, file] of Object.entries(scene.bands ?? { red: "", nir: "" })) addBand(name, file);
  const parts = {
    reference: labelled("URL or path", reference),
    assets: labelled("Band to asset mapping (JSON)", assets),
    bands: make("div", { class: "stack" }, bands,
      make("div", {}, button("Add band", () => addBand("", "").focus(), { class: "plain" })),
      make("div", { class: "pair" }, labelled("Acquired (UTC)", acquired), labelled("Cloud cover (%)", cloud))),
    mask: make("div", { class: "pair" }, labelled("Cloud mask URL (optional)", maskUrl), labelled("Mask type", maskType)),
  };
  const legend = make("legend", {}, "Scene");
  const drop = iconButton("close", "Remove scene", () => { element.remove(); scenes = scenes.filter((other) => other.element !== element); changed(); });
  const element = make("fieldset", {}, legend, make("div", { class: "row between" }, labelled("Kind", kind), drop), ...Object.values(parts));
  const show = () => {
    parts.reference.hidden = kind.value === "bands";
    parts.assets.hidden = kind.value === "bands";
    assets.placeholder = kind.value === "safe" ? '{"mask": "MSK_CLDPRB"}' : '{"nir": "B08", "mask": "SCL"}';
    parts.bands.hidden = kind.value !== "bands";
    parts.mask.hidden = kind.value === "safe";
  };
  kind.addEventListener("change", show);
  show();
  return {
    element,
    focus: () => kind.focus(),
    /** The scene as in the spec. @returns {Scene} */
    read() {
      const ofBands = kind.value === "bands";
      const details = Object.entries(mask).filter(([key]) => !["href", "values"].includes(key));
      const type = maskType.value === "scl" ? undefined : maskType.value;
      return filled({
        [kind.value]: ofBands ? Object.fromEntries(rows.map((row) => row.read())) : reference.value,
        assets: kind.value === "bands" ? undefined : json(assets.value),
        mask: kind.value !== "safe" && maskUrl.value ? short({ ...Object.fromEntries(details), href: maskUrl.value, ...filled({ values: type }) }) : undefined,
        datetime: (ofBands && acquired.value) || undefined,
        cloudCover: ofBands ? numberIn(cloud) : undefined,
      }) ?? {};
    },
    /** @param {number} index of the scene in the spec. */
    nameFields(index) {
      const path = `spec.source.files.scenes[${index}]`;
      const fields = { "": element, ".assets": assets, ".mask": maskUrl, ".datetime": acquired, ".cloudCover": cloud };
      for (const [end, field] of Object.entries(fields)) field.dataset.field = path + end;
      reference.dataset.field = `${path}.item ${path}.safe`;
      legend.textContent = `Scene ${index + 1}`;
      for (const row of rows) row.nameFields(path);
    },
  };
}

/** @type {SceneFields[]} */
let scenes = [];

/** The scenes as in the spec. */
export function scenesOf() {
  scenes.forEach((scene, index) => scene.nameFields(index));
  return scenes.map((scene) => scene.read());
}

/** Show the fields of some scenes. @param {Scene[]} next */
export function setScenes(next) {
  scenes = next.map((scene) => sceneFields(scene));
  box.replaceChildren(...scenes.map(({ element }) => element));
  scenesOf();
}

/** @param {Scene} scene */
const pathOf = (scene) => scene.item ?? scene.safe;

/** The Items and products in the form. */
export const selectedPaths = () => new Set(scenesOf().map(pathOf));

/** Add a scene, or remove it if the form contains it. @param {Scene} scene */
export function toggle(scene) {
  const present = scenesOf();
  const others = present.filter((other) => pathOf(other) !== pathOf(scene) && other.item !== "");
  setScenes(present.some((other) => pathOf(other) === pathOf(scene)) ? others : [...others, scene]);
  changed();
}

byId("add-scene").addEventListener("click", () => {
  const scene = sceneFields({});
  scenes.push(scene);
  box.append(scene.element);
  scene.focus();
  changed();
});
