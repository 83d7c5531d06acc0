// Lets the user draw a shape or pick a point on the map; Escape or the button beside the hint cancels.

import { button, byId } from "../lib/dom.mjs";
import { collapse } from "../lib/tabs.mjs";
import { map } from "./map.mjs";

const hint = byId("drawing");
let cancel = () => {};

/**
 * Show a hint and wait for an event of the map.
 * @template T
 * @param {string} text the hint.
 * @param {string} event
 * @param {(event: any) => T} read the result from the event.
 * @param {() => void} begin
 * @param {() => void} end
 * @returns {Promise<T | null>} null if the user cancels or starts to draw something else.
 */
function waitFor(text, event, read, begin, end) {
  cancel();
  return new Promise((resolve) => {
    const finish = (/** @type {T | null} */ result) => {
      cancel = () => {};
      map.off(event, onEvent);
      document.removeEventListener("keydown", onKey);
      end();
      hint.hidden = true;
      collapse(false);
      resolve(result);
    };
    const onEvent = (/** @type {any} */ fired) => finish(read(fired));
    const onKey = (/** @type {KeyboardEvent} */ { key }) => { if (key === "Escape") finish(null); };
    cancel = () => finish(null);
    hint.replaceChildren(text, button("Cancel", cancel));
    hint.hidden = false;
    collapse(true);
    map.on(event, onEvent);
    document.addEventListener("keydown", onKey);
    begin();
  });
}

/**
 * The shape that the user draws, already removed from the map.
 * @param {"Rectangle" | "Polygon"} shape
 * @param {string} text the hint.
 * @returns {Promise<L.Polygon | null>} null if the user cancels.
 */
export function drawn(shape, text) {
  const read = (/** @type {{layer: L.Polygon}} */ { layer }) => { layer.remove(); return layer; };
  const style = { className: "area-shape" };
  const options = { tooltips: false, pathOptions: style, templineStyle: style, hintlineStyle: style };
  return waitFor(text, "pm:create", read, () => map.pm.enableDraw(shape, options), () => map.pm.disableDraw());
}

/** The point that the user clicks. @param {string} text the hint. @returns {Promise<L.LatLng | null>} null if the user cancels. */
export function picked(text) {
  const { style } = map.getContainer();
  const read = (/** @type {L.LeafletMouseEvent} */ { latlng }) => latlng;
  return waitFor(text, "click", read, () => { style.cursor = "crosshair"; }, () => { style.cursor = ""; });
}
