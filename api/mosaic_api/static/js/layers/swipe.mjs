// Compares two layers: one is shown left of a line, the other right of it.

import { byId, make } from "../lib/dom.mjs";
import { layers } from "./layers.mjs";
import { map } from "./map.mjs";

const box = byId("swipe");
const slider = byId("swipe-slider", HTMLInputElement);
const left = byId("compare-left", HTMLSelectElement);
const right = byId("compare-right", HTMLSelectElement);
const FAR = 1e6;
/** @type {HTMLElement[]} */
let clipped = [];

/** The keys of the compared layers and the left one's share in percent; null if none are compared. */
export const compared = () => (box.hidden ? null : { left: left.value, right: right.value, share: Number(slider.value) });

/** Clip the two layers at the line. */
function clip() {
  for (const pane of clipped) pane.style.clipPath = "";
  clipped = [];
  if (box.hidden) return;
  const [one, other] = [layers.find(left.value), layers.find(right.value)];
  if (!one || !other || one === other) { stop(); return; }
  const share = Number(slider.value) / 100;
  byId("swipe-line").style.left = `${100 * share}%`;
  slider.setAttribute("aria-valuetext", `${Math.round(100 * share)} % ${one.title}, then ${other.title}`);
  const at = map.containerPointToLayerPoint([map.getSize().x * share, 0]).x;
  const sides = [[-FAR, at], [at, FAR]];
  [one, other].forEach((layer, side) => {
    const [from, to] = sides[side];
    const pane = /** @type {HTMLElement} */ (map.getPane(layer.pane));
    pane.style.clipPath = `polygon(${from}px ${-FAR}px, ${to}px ${-FAR}px, ${to}px ${FAR}px, ${from}px ${FAR}px)`;
    clipped.push(pane);
  });
  byId("swipe-left").textContent = one.title;
  byId("swipe-right").textContent = other.title;
}

/** Compare two layers. @param {string} leftKey @param {string} rightKey @param {number} share of the left layer, in percent. */
export function compare(leftKey, rightKey, share = 50) {
  offer();
  [left.value, right.value, slider.value] = [leftKey, rightKey, String(share)];
  for (const key of [leftKey, rightKey]) {
    const layer = layers.find(key);
    if (layer && !layer.visible) layers.set(layer, { visible: true });
  }
  box.hidden = false;
  update();
}

function stop() {
  box.hidden = true;
  update();
}

function update() {
  byId("compare").ariaPressed = String(!box.hidden);
  byId("compare-label").textContent = box.hidden ? "Swipe" : "Stop swiping";
  clip();
  document.dispatchEvent(new Event("view"));
}

/** Offer the layers on the map, and keep the choice. */
function offer() {
  [left, right].forEach((select, index) => {
    const before = select.value;
    select.replaceChildren(...layers.list.map(({ key, title }) => make("option", { value: key }, title)));
    select.value = layers.find(before) ? before : layers.list[index]?.key ?? "";
  });
  if (left.value === right.value) right.value = layers.list.find(({ key }) => key !== left.value)?.key ?? "";
  byId("compare", HTMLButtonElement).disabled = layers.list.length < 2;
  clip();
}

layers.addEventListener("change", offer);
map.on("move zoomend resize", clip);
slider.addEventListener("input", clip);
slider.addEventListener("change", () => document.dispatchEvent(new Event("view")));
for (const select of [left, right]) select.addEventListener("change", update);
byId("compare").addEventListener("click", () => (box.hidden ? compare(left.value, right.value) : stop()));
