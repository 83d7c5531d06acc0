// The panel of layers: their order, how they are shown, and their files.

import { button, byId, iconButton, make, notify } from "../lib/dom.mjs";
import * as locale from "../lib/locale.mjs";
import { settings } from "../lib/settings.mjs";
import { layers } from "../layers/layers.mjs";
import { lookAt } from "../layers/map.mjs";

/**
 * @typedef {import("../layers/layers.mjs").Layer} Layer
 * @typedef {ReturnType<typeof createItem>} Item
 */

const list = byId("layers-list");
/** @type {Map<Layer, Item>} */
const items = new Map();
/** @type {Layer | null} */
let dragged = null;

/** The list item of a layer, created once; `update` shows what changes. @param {Layer} layer */
function createItem(layer) {
  const visible = make("input", { type: "checkbox", onchange: () => layers.set(layer, { visible: visible.checked }) });
  const title = make("span", {});
  const description = make("small", {});
  const opacity = make("input", {
    type: "range", min: 0, max: 100, step: 1, "aria-label": `Opacity of ${layer.title}`,
    oninput: () => layers.set(layer, { opacity: Number(opacity.value) / 100 }),
  });
  const amount = make("output", {});
  const move = (/** @type {number} */ step) => (/** @type {MouseEvent} */ event) => {
    layers.move(layer, layers.list.indexOf(layer) + step);
    /** @type {HTMLElement} */ (event.currentTarget).focus();
  };
  const up = iconButton("up", `Move ${layer.title} up`, move(-1));
  const down = iconButton("down", `Move ${layer.title} down`, move(1));
  const downloads = make("div", { class: "downloads" });
  const colours = make("details", {}, make("summary", {}, "Colours"));
  const head = make("div", { class: "head" },
    make("label", {}, visible, make("span", {}, title, make("br"), description)),
    make("div", { class: "tools" }, up, down,
      iconButton("zoom", `Zoom to ${layer.title}`, () => lookAt(layer.box)),
      iconButton("close", `Remove ${layer.title} from the map`, () => remove(layer))));
  const element = make("li", {}, head, make("div", { class: "opacity" }, "Opacity", opacity, amount), colours, downloads);
  makeDraggable(element, head, layer);
  return { element, visible, title, description, opacity, amount, up, down, downloads, colours, hasColours: false };
}

/** @param {Layer} layer */
function remove(layer) {
  const index = layers.list.indexOf(layer);
  layers.remove(layer);
  notify(`${layer.title} removed from the map.`, () => layers.add(layer, index));
}

/** The fields that choose the colours of a layer. @param {Layer} layer */
function colourFields(layer) {
  const colormap = make("select", {}, make("option", { value: "" }, "Default"), ...Object.keys(settings.colormaps).map((name) => make("option", {}, name)));
  const [minimum, maximum] = [0, 1].map(() => make("input", { type: "number", step: "any", placeholder: "Default" }));
  const problem = make("p", { class: "wrong", role: "alert" });
  const apply = () => {
    const half = (minimum.value === "") !== (maximum.value === "");
    const reversed = !half && minimum.value !== "" && Number(minimum.value) >= Number(maximum.value);
    problem.textContent = half ? "Enter both minimum and maximum." : reversed ? "The minimum must be less than the maximum." : "";
    if (half || reversed) return;
    const limits = minimum.value === "" ? {} : { minimum: Number(minimum.value), maximum: Number(maximum.value) };
    layer.colour({ ...(colormap.value ? { colormap: colormap.value } : {}), ...limits });
  };
  const chosen = layer.colours;
  [colormap.value, minimum.value, maximum.value] = [chosen.colormap ?? "", String(chosen.minimum ?? ""), String(chosen.maximum ?? "")];
  for (const field of [colormap, minimum, maximum]) field.addEventListener("change", apply);
  const named = (/** @type {string} */ label, /** @type {HTMLElement} */ field) => make("label", {}, label, field);
  const reset = () => { for (const field of [colormap, minimum, maximum]) field.value = ""; apply(); };
  return make("div", { class: "colours" },
    make("div", { class: "three" }, named("Colour map", colormap), named("Minimum", minimum), named("Maximum", maximum)), problem,
    make("div", {}, button("Reset colours", reset, { class: "link" })));
}

/** @param {Layer} layer @param {Item} item */
function update(layer, item) {
  item.visible.checked = layer.visible;
  item.title.textContent = layer.title;
  item.description.textContent = layer.description;
  item.opacity.value = String(Math.round(layer.opacity * 100));
  item.amount.textContent = locale.percent(layer.opacity);
  item.up.disabled = layers.list[0] === layer;
  item.down.disabled = layers.list.at(-1) === layer;
  item.colours.hidden = !layer.colourable;
  if (layer.colourable && !item.hasColours) {
    item.colours.append(colourFields(layer));
    item.hasColours = true;
  }
  item.downloads.replaceChildren(...Object.entries(layer.downloads).map(([label, href]) => make("a", { href, download: "" }, label)));
}

/**
 * Let the user drag a layer to another place; the buttons do the same.
 * @param {HTMLElement} element
 * @param {HTMLElement} head part of the element that is dragged.
 * @param {Layer} layer
 */
function makeDraggable(element, head, layer) {
  head.draggable = true;
  head.addEventListener("dragstart", ({ dataTransfer }) => {
    dragged = layer;
    element.classList.add("dragged");
    if (!dataTransfer) return;
    dataTransfer.effectAllowed = "move";
    dataTransfer.setDragImage(element, 20, 20);
  });
  head.addEventListener("dragend", () => { dragged = null; element.classList.remove("dragged"); });
  element.addEventListener("dragover", (event) => { if (dragged) { event.preventDefault(); element.classList.toggle("under", dragged !== layer); } });
  element.addEventListener("dragleave", () => element.classList.remove("under"));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    element.classList.remove("under");
    if (dragged && dragged !== layer) layers.move(dragged, layers.list.indexOf(layer));
  });
}

function show() {
  for (const [layer, item] of items) {
    if (layers.list.includes(layer)) continue;
    item.element.remove();
    items.delete(layer);
  }
  layers.list.forEach((layer, index) => {
    const item = items.get(layer) ?? createItem(layer);
    items.set(layer, item);
    update(layer, item);
    if (list.children[index] !== item.element) list.insertBefore(item.element, list.children[index] ?? null);
  });
  list.hidden = byId("layers-tools").hidden = layers.list.length === 0;
  byId("layers-empty").hidden = layers.list.length > 0;
}

layers.addEventListener("change", show);
