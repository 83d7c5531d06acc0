// Drawing on the map for whoever needs a shape; Escape, or the button beside the hint, ends it without one.

import { button, the } from "../lib/dom.mjs";
import { map } from "./map.mjs";
import { fold } from "../lib/tabs.mjs";

const hint = the("drawing");
let giveUp = () => {};

/** Ask for something on the map until `listen` has it; null when the user gives up, or something else is drawn. */
function asked(text, listen, begin, end) {
  giveUp();
  return new Promise((answer) => {
    const done = (found) => {
      giveUp = () => {};
      map.off(listen.event, heard);
      document.removeEventListener("keydown", escape);
      end();
      hint.hidden = true;
      fold(false);
      answer(found);
    };
    const heard = (event) => done(listen.take(event));
    const escape = ({ key }) => { if (key === "Escape") done(null); };
    giveUp = () => done(null);
    hint.replaceChildren(text, button("Give up", giveUp));
    hint.hidden = false;
    fold(true);
    map.on(listen.event, heard);
    document.addEventListener("keydown", escape);
    begin();
  });
}

/** A rectangle or polygon that the user draws, as a Leaflet shape that is on the map no longer; or null. */
export function drawn(shape, text) {
  const take = ({ layer }) => { layer.remove(); return layer; };
  const options = { tooltips: false, pathOptions: { className: "area-shape" }, templineStyle: { className: "area-shape" }, hintlineStyle: { className: "area-shape" } };
  return asked(text, { event: "pm:create", take }, () => map.pm.enableDraw(shape, options), () => map.pm.disableDraw());
}

/** A place that the user clicks; or null. */
export function picked(text) {
  const { style } = map.getContainer();
  return asked(text, { event: "click", take: ({ latlng }) => latlng }, () => { style.cursor = "crosshair"; }, () => { style.cursor = ""; });
}
