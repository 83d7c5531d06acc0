// The scenes in the folders of this machine that requests may read, to be taken by a click.

import { get } from "../lib/api.mjs";
import { make, the } from "../lib/dom.mjs";
import * as locale from "../lib/locale.mjs";
import { outline } from "../layers/map.mjs";
import { taken, toggle } from "./scenes.mjs";

const KINDS = { item: "STAC Item", safe: "SAFE" };
let scenes = null;

const named = ({ kind, path }) => ({ [kind]: path });
const says = ({ kind, datetime, cloud_cover: cloud }) =>
  [datetime && locale.dateUtc(datetime), cloud !== null && `${locale.about(cloud)} % clouds`, KINDS[kind]].filter((part) => part).join(", ");

/** What can be searched: the name, the day as it is shown, and as ISO 8601 has it. */
const words = (scene) => `${scene.id} ${scene.path} ${scene.datetime ?? ""} ${says(scene)}`.toLowerCase();

function rowOf(scene, checked) {
  const box = make("input", { type: "checkbox", checked, onchange: (event) => { event.stopPropagation(); toggle(named(scene)); } });
  const row = make("li", {}, make("label", { title: scene.path }, box, make("span", {}, scene.id, make("br"), make("small", {}, says(scene)))));
  for (const event of ["pointerenter", "focusin"]) row.addEventListener(event, () => outline(scene.bbox));
  for (const event of ["pointerleave", "focusout"]) row.addEventListener(event, () => outline(null));
  return row;
}

/** What cannot be read, in one sentence. */
const failures = (unreadable) =>
  unreadable.length === 0 ? "" : ` ${locale.integer(unreadable.length)} cannot be read: ${unreadable.map(({ reason }) => reason).join("; ")}.`;

function list({ scenes: found, complete, unreadable }) {
  const text = the("here-text").value.trim().toLowerCase();
  const shown = found.filter((scene) => words(scene).includes(text)).sort((one, other) => ((one.datetime ?? "") < (other.datetime ?? "") ? 1 : -1));
  const focused = document.activeElement?.closest("#here-list li label")?.title;
  const known = taken();
  the("here-list").replaceChildren(...shown.map((scene) => rowOf(scene, known.has(scene.path))));
  the("here-list").hidden = shown.length === 0;
  for (const label of the("here-list").querySelectorAll("label")) if (label.title === focused) label.querySelector("input").focus();
  const counted = found.length === 0
    ? "No STAC Item and no Sentinel-2 product (.SAFE, or its zip) lies there; name the files of each band below."
    : `${locale.integer(shown.length)} of ${locale.integer(found.length)}${complete ? "" : ", and more that are not listed"}`;
  the("here-says").textContent = counted + (unreadable.length > 0 && found.length > 0 ? "." : "") + failures(unreadable);
}

/** Bring the list into agreement with what is asked for; it is read once. */
export async function showHere() {
  the("here-says").textContent ||= "Looking through the folders …";
  scenes ??= get("scenes").catch((error) => { scenes = null; throw error; });
  await scenes.then(list, (error) => { the("here-says").textContent = error.message; });
}
