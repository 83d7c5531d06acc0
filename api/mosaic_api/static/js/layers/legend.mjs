// Which colour stands for which value, for the layers that are seen.

import { make, the } from "../lib/dom.mjs";
import { layers } from "./layers.mjs";
import * as locale from "../lib/locale.mjs";

const MOST = 4;
const APART = 6;
/** Pixels between two numbers, at least. */
const known = new Map();

/** A ramp of colours as a background. */
export const ramp = (colours) => `linear-gradient(to right, ${colours.join(", ")})`;

/** A legend, as the API tells it, as an element. */
export function draw({ title, colours, minimum, maximum, stops, bands }) {
  if (!colours.length) {
    const channels = ["red", "green", "blue"].map((hue, number) => bands[number] &&
      make("span", { class: hue }, `${bands[number].name} ${locale.about(bands[number].minimum)} – ${locale.about(bands[number].maximum)}`));
    return make("div", { class: "legend" }, make("div", { class: "title" }, title), make("div", { class: "channels" }, ...channels));
  }
  const bar = make("div", { class: "ramp" });
  bar.style.background = ramp(colours);
  const at = (value) => (value - minimum) / (maximum - minimum);
  const between = stops.filter(({ value }) => value > minimum && value < maximum);
  const marks = [{ value: minimum, end: "first" }, ...between, { value: maximum, end: "last" }].map(({ value, end = "between" }) => {
    const mark = make("span", { class: end }, locale.about(value));
    mark.style.left = `${100 * Math.min(1, Math.max(0, at(value) || 0))}%`;
    return mark;
  });
  return make("div", { class: "legend" }, make("div", { class: "title" }, title), bar, make("div", { class: "scale" }, ...marks));
}

/** Leave out numbers between the first and the last that would touch another. */
function thin(scale) {
  const [first, ...between] = scale.children;
  const last = between.pop();
  const ends = last.getBoundingClientRect().left - APART;
  let taken = first.getBoundingClientRect().right + APART;
  for (const mark of between) {
    const { left, right } = mark.getBoundingClientRect();
    if (left < taken || right > ends) mark.remove();
    else taken = right + APART;
  }
}

/** The legend of a layer, asked for once for the colours that it has. */
function legendOf(layer) {
  const key = `${layer.key} ${layer.says} ${JSON.stringify(layer.colours)}`;
  if (!known.has(key)) known.set(key, layer.legend().catch(() => { known.delete(key); return null; }));
  return known.get(key);
}

let turn = 0;

async function show() {
  const mine = ++turn;
  const seen = layers.list.filter((layer) => layer.visible && layer.opacity > 0).slice(0, MOST);
  const found = await Promise.all(seen.map(async (layer) => [layer, await legendOf(layer)]));
  if (mine !== turn) return; // what was asked later is shown
  const told = found.filter(([, legend]) => legend);
  the("legends").replaceChildren(...told.map(([layer, legend]) => draw({ ...legend, title: `${layer.title} · ${legend.title}` })));
  the("legends").hidden = told.length === 0;
  for (const scale of the("legends").querySelectorAll(".scale")) thin(scale);
}

layers.addEventListener("change", show);
