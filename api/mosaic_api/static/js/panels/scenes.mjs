// The scenes of `source.files`: each is a STAC Item, a Sentinel-2 product, or one file per band.

import { button, byId, iconButton, labelled, make } from "../lib/dom.mjs";
import { json, jsonText } from "../lib/spec.mjs";

/**
 * @typedef {import("../lib/spec.mjs").Scene} Scene
 * @typedef {string | {href?: string, scale?: number, offset?: number, nodata?: number, values?: string}} BandFile a URL or path, with details if it needs them.
 */

const box = byId("scenes");
const KINDS = { item: "STAC Item", bands: "one file per band", safe: "Sentinel-2 product (SAFE)" };
const DETAILS = /** @type {const} */ ({ band: "Band number", scale: "Scale", offset: "Offset", nodata: "Nodata" });
const MASKS = {
  scl: "Sentinel-2 scene classification (SCL)", qaPixel: "Landsat QA_PIXEL", fmask: "HLS Fmask", earthDaily: "EarthDaily cloud mask",
  nonzero: "non-zero = masked", zero: "zero = masked",
};
let count = 0;

const changed = () => box.dispatchEvent(new Event("input", { bubbles: true }));
/** @param {[string, unknown][]} pairs */
const filled = (pairs) => Object.fromEntries(pairs.filter(([, value]) => value !== undefined));
/** @param {BandFile | undefined} file @returns {Record<string, any>} */
const asObject = (file) => (typeof file === "string" ? { href: file } : file ?? {});
/** @param {Record<string, any>} file */
const short = (file) => (Object.keys(file).length === 1 ? file.href : file);

/** @param {string} label @param {HTMLElement} field gets an id if it has none. */
function named(label, field) {
  field.id ||= `scene-${++count}`;
  return labelled(label, field);
}

/** @param {Record<string, string>} labels by value. */
const select = (labels) => make("select", {}, ...Object.entries(labels).map(([value, label]) => make("option", { value }, label)));

/** @param {string | undefined} value */
const urlField = (value) => make("input", { type: "text", inputMode: "url", value: value ?? "", placeholder: "https://…", spellcheck: false });

/** The row of one band. */
class BandRow {
  #file;
  #name;
  #url;
  #numbers;

  /** @param {string} name @param {BandFile} file @param {(row: BandRow) => void} onRemove */
  constructor(name, file, onRemove) {
    this.#file = asObject(file);
    this.#name = make("input", { value: name, placeholder: "nir", spellcheck: false, "aria-label": "Band" });
    this.#url = urlField(this.#file.href);
    this.#url.ariaLabel = "URL or path of the band";
    this.#numbers = Object.entries(DETAILS).map(([key, label]) => ({ key, label, field: make("input", { type: "number", step: "any", value: this.#file[key] ?? "", placeholder: label }) }));
    this.element = make("div", { class: "band" },
      make("div", { class: "row" }, this.#name, this.#url, iconButton("close", "Remove band", () => onRemove(this))),
      make("details", { open: this.#numbers.some(({ field }) => field.value !== "") }, make("summary", {}, "Scale, offset, nodata"),
        make("div", { class: "pair" }, ...this.#numbers.map(({ label, field }) => named(label, field)))));
  }

  /** The name and the file of the band, as in the spec. */
  read() {
    const numbers = this.#numbers.map(({ key, field }) => /** @type {[string, unknown]} */ ([key, field.value === "" ? undefined : Number(field.value)]));
    return [this.#name.value.trim(), short(filled([["href", this.#url.value], ...numbers]))];
  }

  /** @param {string} path of the scene in the spec. */
  nameFields(path) {
    for (const field of this.element.querySelectorAll("input")) field.dataset.field = `${path}.bands.${this.#name.value.trim()}`;
  }

  focus() { this.#name.focus(); }
}

/** The fields of one scene. */
class SceneFields {
  #kind = select(KINDS);
  #reference;
  #assets;
  #maskUrl;
  #maskType = select(MASKS);
  #acquired;
  #cloud;
  #legend = make("legend", {}, "Scene");
  /** @type {BandRow[]} */
  #rows = [];
  #mask;
  #parts;

  /** @param {Scene} scene */
  constructor(scene) {
    this.#kind.value = Object.keys(KINDS).find((key) => scene[key]) ?? "item";
    this.#reference = urlField(scene.item ?? scene.safe);
    this.#assets = make("textarea", { rows: 2, value: jsonText(scene.assets), placeholder: '{"nir": "B08", "mask": "SCL"}', spellcheck: false });
    this.#mask = asObject(scene.mask);
    this.#maskUrl = urlField(this.#mask.href);
    this.#maskType.value = this.#mask.values ?? "scl";
    this.#acquired = make("input", { value: scene.datetime ?? "", placeholder: "2024-07-01T19:03:11Z" });
    this.#cloud = make("input", { type: "number", min: 0, max: 100, step: "any", value: scene.cloudCover ?? "" });
    const bands = make("div", { class: "bands" });
    const removeBand = (/** @type {BandRow} */ row) => {
      row.element.remove();
      this.#rows = this.#rows.filter((other) => other !== row);
      changed();
    };
    const addBand = (/** @type {string} */ name, /** @type {BandFile} */ file) => {
      const row = new BandRow(name, file, removeBand);
      this.#rows.push(row);
      bands.append(row.element);
      return row;
    };
    for (const [name, file] of Object.entries(scene.bands ?? { red: "", nir: "" })) addBand(name, file);
    this.#parts = {
      reference: named("URL or path", this.#reference),
      assets: named("Band to asset mapping (JSON)", this.#assets),
      bands: make("div", { class: "stack" }, bands,
        make("div", {}, button("Add band", () => addBand("", "").focus(), { class: "plain" })),
        make("div", { class: "pair" }, named("Acquired (UTC)", this.#acquired), named("Cloud cover (%)", this.#cloud))),
      mask: make("div", { class: "pair" }, named("Cloud mask URL (optional)", this.#maskUrl), named("Mask type", this.#maskType)),
    };
    this.element = make("fieldset", {}, this.#legend,
      make("div", { class: "row between" }, named("Kind", this.#kind), iconButton("close", "Remove scene", () => {
        this.element.remove();
        scenes = scenes.filter((other) => other !== this);
        changed();
      })),
      ...Object.values(this.#parts));
    this.#kind.addEventListener("change", () => this.#show());
    this.#show();
  }

  #show() {
    const kind = this.#kind.value;
    this.#parts.reference.hidden = kind === "bands";
    this.#parts.assets.hidden = kind !== "item";
    this.#parts.bands.hidden = kind !== "bands";
    this.#parts.mask.hidden = kind === "safe";
  }

  /** The scene as in the spec. @returns {Scene} */
  read() {
    const kind = this.#kind.value;
    const ofBands = (/** @type {unknown} */ value) => (kind === "bands" && value !== "" ? value : undefined);
    const details = Object.entries(this.#mask).filter(([key]) => !["href", "values"].includes(key));
    const type = this.#maskType.value === "scl" ? undefined : this.#maskType.value;
    return filled([
      [kind, kind === "bands" ? Object.fromEntries(this.#rows.map((row) => row.read())) : this.#reference.value],
      ["assets", kind === "item" ? json(this.#assets.value) : undefined],
      ["mask", kind !== "safe" && this.#maskUrl.value ? short(filled([...details, ["href", this.#maskUrl.value], ["values", type]])) : undefined],
      ["datetime", ofBands(this.#acquired.value)],
      ["cloudCover", ofBands(this.#cloud.value === "" ? "" : Number(this.#cloud.value))],
    ]);
  }

  /** @param {number} index of the scene in the spec. */
  nameFields(index) {
    const path = `spec.source.files.scenes[${index}]`;
    this.element.dataset.field = path;
    this.#reference.dataset.field = `${path}.item ${path}.safe`;
    this.#assets.dataset.field = `${path}.assets`;
    this.#maskUrl.dataset.field = `${path}.mask`;
    this.#acquired.dataset.field = `${path}.datetime`;
    this.#cloud.dataset.field = `${path}.cloudCover`;
    this.#legend.textContent = `Scene ${index + 1}`;
    for (const row of this.#rows) row.nameFields(path);
  }

  focus() { this.#kind.focus(); }
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
  scenes = next.map((scene) => new SceneFields(scene));
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
  const scene = new SceneFields({});
  scenes.push(scene);
  box.append(scene.element);
  scene.focus();
  changed();
});
