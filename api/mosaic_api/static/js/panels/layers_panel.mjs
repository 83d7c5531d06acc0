// The panel of layers: their order, how they are seen, their files.

import { button, iconButton, make, notify, the } from "../lib/dom.mjs";
import { layers } from "../layers/layers.mjs";
import * as locale from "../lib/locale.mjs";
import { lookAt, told } from "../layers/map.mjs";

const list = the("layers-list");
const items = new Map();
let dragged = null;

/** The item of a layer, made once; what changes is set in `update`. */
function itemOf(layer) {
  const visible = make("input", { type: "checkbox", onchange: () => layers.set(layer, { visible: visible.checked }) });
  const title = make("span", {});
  const says = make("small", {});
  const opacity = make("input", {
    type: "range", min: 0, max: 100, step: 1, "aria-label": `Opacity of ${layer.title}`,
    oninput: () => layers.set(layer, { opacity: opacity.value / 100 }),
  });
  const amount = make("output", {});
  const move = (step) => (event) => {
    layers.move(layer, layers.list.indexOf(layer) + step);
    event.currentTarget.focus();
  };
  const up = iconButton("up", `Move ${layer.title} up`, move(-1));
  const down = iconButton("down", `Move ${layer.title} down`, move(1));
  const downloads = make("div", { class: "downloads" });
  const colours = make("details", {}, make("summary", {}, "Colours"));
  const element = make("li", {},
    make("div", { class: "head" },
      make("label", {}, visible, make("span", {}, title, make("br"), says)),
      make("div", { class: "tools" }, up, down,
        iconButton("zoom", `Zoom to ${layer.title}`, () => lookAt(layer.box)),
        iconButton("close", `Take ${layer.title} off the map`, () => takeOff(layer)))),
    make("div", { class: "opacity" }, "Opacity", opacity, amount), colours, downloads);
  draggable(element, layer);
  return { element, visible, title, says, opacity, amount, up, down, downloads, colours, coloursMade: false };
}

function takeOff(layer) {
  const place = layers.list.indexOf(layer);
  layers.remove(layer);
  notify(`${layer.title} is off the map.`, () => layers.add(layer, place));
}

/** The choice of colours, made when the layer can first be coloured. */
function colourChoice(layer) {
  const colormap = make("select", {}, make("option", { value: "" }, "its own"), ...Object.keys(told.colormaps).map((name) => make("option", {}, name)));
  const [minimum, maximum] = [0, 1].map(() => make("input", { type: "number", step: "any", placeholder: "its own" }));
  const wrong = make("p", { class: "wrong", role: "alert" });
  const apply = () => {
    const half = (minimum.value === "") !== (maximum.value === "");
    const turned = minimum.value !== "" && Number(minimum.value) >= Number(maximum.value);
    wrong.textContent = half ? "Give both values, or neither." : turned ? "The first must be less than the last." : "";
    if (half || turned) return;
    const limits = minimum.value === "" ? {} : { minimum: Number(minimum.value), maximum: Number(maximum.value) };
    layer.colour({ ...(colormap.value ? { colormap: colormap.value } : {}), ...limits });
  };
  [colormap.value, minimum.value, maximum.value] = [layer.colours.colormap ?? "", layer.colours.minimum ?? "", layer.colours.maximum ?? ""];
  for (const field of [colormap, minimum, maximum]) field.addEventListener("change", apply);
  const named = (label, field) => make("label", {}, label, field);
  return make("div", { class: "colours" },
    make("div", { class: "three" }, named("Colour map", colormap), named("First", minimum), named("Last", maximum)), wrong,
    make("div", {}, button("Back to its own", () => { for (const field of [colormap, minimum, maximum]) field.value = ""; apply(); }, { class: "link" })));
}

function update(layer, item) {
  item.visible.checked = layer.visible;
  item.title.textContent = layer.title;
  item.says.textContent = layer.says;
  item.opacity.value = Math.round(layer.opacity * 100);
  item.amount.textContent = locale.percent(layer.opacity);
  item.up.disabled = layers.list[0] === layer;
  item.down.disabled = layers.list.at(-1) === layer;
  item.colours.hidden = !layer.colourable;
  if (layer.colourable && !item.coloursMade) {
    item.colours.append(colourChoice(layer));
    item.coloursMade = true;
  }
  item.downloads.replaceChildren(...Object.entries(layer.downloads).map(([label, href]) => make("a", { href, download: "" }, label)));
}

/** A layer can be dragged by its head to another place; the buttons do the same. */
function draggable(element, layer) {
  const head = element.querySelector(".head");
  head.draggable = true;
  head.addEventListener("dragstart", (event) => {
    dragged = layer;
    element.classList.add("dragged");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setDragImage(element, 20, 20);
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
  layers.list.forEach((layer, place) => {
    if (!items.has(layer)) items.set(layer, itemOf(layer));
    const item = items.get(layer);
    update(layer, item);
    if (list.children[place] !== item.element) list.insertBefore(item.element, list.children[place] ?? null);
  });
  list.hidden = the("layers-tools").hidden = layers.list.length === 0;
  the("layers-empty").hidden = layers.list.length > 0;
}

layers.addEventListener("change", show);
