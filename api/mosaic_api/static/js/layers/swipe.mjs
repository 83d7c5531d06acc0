// Two layers side by side under one curtain: the left one is seen on its left, the right one on its right.

import { make, the } from "../lib/dom.mjs";
import { layers } from "./layers.mjs";
import { map } from "./map.mjs";

const box = the("swipe");
const slider = box.querySelector("input");
const [left, right] = [the("compare-left"), the("compare-right")];
const FAR = 1e6;
let clipped = [];

/** Whether two layers are compared, and how: {left, right, share}, or null. */
export const compared = () => (box.hidden ? null : { left: left.value, right: right.value, share: Number(slider.value) });

/** Cut the two layers where the curtain hangs. */
function cut() {
  for (const pane of clipped) pane.style.clipPath = "";
  clipped = [];
  if (box.hidden) return;
  const pair = [left.value, right.value].map((key) => layers.find(key));
  if (pair.some((layer) => !layer) || pair[0] === pair[1]) { end(); return; }
  const share = slider.value / 100;
  box.querySelector(".swipe-line").style.left = `${100 * share}%`;
  slider.setAttribute("aria-valuetext", `${Math.round(100 * share)} % ${pair[0].title}, then ${pair[1].title}`);
  const at = map.containerPointToLayerPoint([map.getSize().x * share, 0]).x;
  const sides = [[-FAR, at], [at, FAR]];
  pair.forEach((layer, side) => {
    const [from, to] = sides[side];
    const pane = map.getPane(layer.pane);
    pane.style.clipPath = `polygon(${from}px ${-FAR}px, ${to}px ${-FAR}px, ${to}px ${FAR}px, ${from}px ${FAR}px)`;
    clipped.push(pane);
  });
  the("swipe-left").textContent = pair[0].title;
  the("swipe-right").textContent = pair[1].title;
}

/** Begin to compare two layers by their keys. */
export function compare(leftKey, rightKey, share = 50) {
  offer();
  [left.value, right.value, slider.value] = [leftKey, rightKey, share];
  for (const key of [leftKey, rightKey]) {
    const layer = layers.find(key);
    if (layer && !layer.visible) layers.set(layer, { visible: true });
  }
  box.hidden = false;
  told();
}

function end() {
  box.hidden = true;
  told();
}

function told() {
  the("compare").ariaPressed = String(!box.hidden);
  the("compare").querySelector("span").textContent = box.hidden ? "Compare with a curtain" : "Stop comparing";
  cut();
  document.dispatchEvent(new Event("view"));
}

/** Offer the layers that there are, and keep what is chosen. */
function offer() {
  [left, right].forEach((select, number) => {
    const before = select.value;
    select.replaceChildren(...layers.list.map(({ key, title }) => make("option", { value: key }, title)));
    select.value = layers.find(before) ? before : layers.list[number]?.key ?? "";
  });
  if (left.value === right.value) right.value = layers.list.find(({ key }) => key !== left.value)?.key ?? "";
  the("compare").disabled = layers.list.length < 2;
  cut();
}

layers.addEventListener("change", offer);
map.on("move zoomend resize", cut);
slider.addEventListener("input", cut);
slider.addEventListener("change", () => document.dispatchEvent(new Event("view")));
for (const select of [left, right]) select.addEventListener("change", told);
the("compare").addEventListener("click", () => (box.hidden ? compare(left.value, right.value) : end()));
