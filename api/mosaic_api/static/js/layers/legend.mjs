// The legends of the visible layers.

import { byId, make } from "../lib/dom.mjs";
import * as locale from "../lib/locale.mjs";
import { layers } from "./layers.mjs";

const MAX_LEGENDS = 4;
/** Pixels between two numbers, at least. */
const GAP = 6;
/** @type {Map<string, Promise<any>>} */
const cache = new Map();

/** A colour ramp as a CSS background. @param {string[]} colours */
export const ramp = (colours) => `linear-gradient(to right, ${colours.join(", ")})`;

/** A class: its colour, name and share; its area is the tooltip. @param {Schemas["LegendClass"]} legendClass */
function classItem({ name, colour, percent, area }) {
  const chip = make("span", { class: "chip" });
  chip.style.background = colour ?? "";
  const title = area === null ? "" : locale.area(area);
  return make("li", { title }, chip, make("span", {}, name), make("span", { class: "share" }, locale.finePercent(percent / 100)));
}

/** The element of a legend. @param {any} legend as the API returns it. */
function draw({ title, colours, minimum, maximum, stops, bands, gamma, shoulder, classes = [] }) {
  if (classes.length) return make("div", { class: "legend" }, make("div", { class: "title" }, title), make("ul", { class: "classes" }, ...classes.map(classItem)));
  if (!colours.length) {
    const channels = ["red", "green", "blue"].map((hue, number) => bands[number] &&
      make("span", { class: hue }, `${bands[number].name} ${locale.about(bands[number].minimum)} – ${locale.about(bands[number].maximum)}`));
    const tone = [gamma === 1 ? "" : `gamma ${locale.about(gamma)}`, shoulder ? "brighter pixels compressed" : ""].filter((text) => text).join(", ");
    return make("div", { class: "legend" }, make("div", { class: "title" }, title), make("div", { class: "channels" }, ...channels), ...(tone ? [make("div", { class: "hint" }, tone)] : []));
  }
  const bar = make("div", { class: "ramp" });
  bar.style.background = ramp(colours);
  const at = (/** @type {number} */ value) => (value - minimum) / (maximum - minimum);
  const between = stops.filter((/** @type {{value: number}} */ { value }) => value > minimum && value < maximum);
  const marks = [{ value: minimum, end: "first" }, ...between, { value: maximum, end: "last" }].map(({ value, end = "between" }) => {
    const mark = make("span", { class: end }, locale.about(value));
    mark.style.left = `${100 * Math.min(1, Math.max(0, at(value) || 0))}%`;
    return mark;
  });
  return make("div", { class: "legend" }, make("div", { class: "title" }, title), bar, make("div", { class: "scale" }, ...marks));
}

/** Remove the numbers between the first and the last that would touch another. @param {Element} scale */
function thin(scale) {
  const [first, ...between] = scale.children;
  const end = (between.pop() ?? first).getBoundingClientRect().left - GAP;
  let start = first.getBoundingClientRect().right + GAP;
  for (const mark of between) {
    const box = mark.getBoundingClientRect();
    if (box.left < start || box.right > end) mark.remove();
    else start = box.right + GAP;
  }
}

/** The legend of a layer, requested once for each choice of colours. @param {import("./layers.mjs").Layer} layer @returns {Promise<any>} */
function legendOf(layer) {
  const key = `${layer.key} ${layer.description} ${JSON.stringify(layer.colours)}`;
  const known = cache.get(key) ?? layer.legend().catch(() => { cache.delete(key); return null; });
  cache.set(key, known);
  return known;
}

let turn = 0;

async function show() {
  const mine = ++turn;
  const visible = layers.list.filter((layer) => layer.visible && layer.opacity > 0).slice(0, MAX_LEGENDS);
  const found = await Promise.all(visible.map(async (layer) => [layer, await legendOf(layer)]));
  if (mine !== turn) return; // a later call shows newer layers
  const legends = found.filter(([, legend]) => legend);
  byId("legends").replaceChildren(...legends.map(([layer, legend]) => draw({ ...legend, title: `${layer.title} · ${legend.title}` })));
  byId("legends").hidden = legends.length === 0;
  for (const scale of byId("legends").querySelectorAll(".scale")) thin(scale);
}

layers.addEventListener("change", show);
