// The scenes in the server's own folders, which the user selects with check boxes.

import { get } from "../lib/api.mjs";
import { byId, make, messageOf } from "../lib/dom.mjs";
import * as locale from "../lib/locale.mjs";
import { outlineWith } from "../layers/map.mjs";
import { selectedPaths, toggle } from "./scenes.mjs";

/**
 * @typedef {Schemas["FolderScene"]} LocalScene
 * @typedef {Schemas["FolderScenes"]} Listing
 */

const KINDS = { item: "STAC Item", safe: "SAFE" };
/** @type {Promise<Listing> | null} */
let listing = null;

/** @param {LocalScene} scene */
const describe = ({ kind, datetime, cloud_cover: cloud }) =>
  [datetime && locale.dateUtc(datetime), cloud !== null && `${locale.about(cloud)} % clouds`, KINDS[kind]].filter(Boolean).join(", ");

/** The text that the search looks at: the name, and the date as it is shown and in ISO 8601. @param {LocalScene} scene */
const searchable = (scene) => `${scene.id} ${scene.path} ${scene.datetime ?? ""} ${describe(scene)}`.toLowerCase();

/** @param {LocalScene} scene @param {boolean} checked */
function rowOf(scene, checked) {
  const select = (/** @type {Event} */ event) => { event.stopPropagation(); toggle({ [scene.kind]: scene.path }); };
  const row = make("li", {}, make("label", { title: scene.path }, make("input", { type: "checkbox", checked, onchange: select }),
    make("span", {}, scene.id, make("br"), make("small", {}, describe(scene)))));
  outlineWith(row, () => scene.bbox);
  return row;
}

/** @param {Listing} listing @param {number} shown number of scenes that match the search. @param {number} selected */
function summarize({ scenes, complete, unreadable = [] }, shown, selected) {
  const found = scenes.length === 0
    ? "No STAC Items or Sentinel-2 products found in these folders. Add files below."
    : `${locale.integer(shown)} of ${locale.count(scenes.length, "scene")}, ${locale.integer(selected)} selected.${complete ? "" : " More scenes are not listed."}`;
  const problems = unreadable.length === 0 ? ""
    : ` ${locale.count(unreadable.length, "file")} cannot be read: ${unreadable.map(({ reason }) => reason).join("; ")}.`;
  return found + problems;
}

/** @param {Listing} found */
function show(found) {
  const box = byId("local-scenes-list");
  const text = byId("local-scenes-text", HTMLInputElement).value.trim().toLowerCase();
  const shown = found.scenes.filter((scene) => searchable(scene).includes(text)).sort((one, other) => ((one.datetime ?? "") < (other.datetime ?? "") ? 1 : -1));
  const focused = /** @type {HTMLElement | null | undefined} */ (document.activeElement?.closest("#local-scenes-list li label"))?.title;
  const selected = selectedPaths();
  box.replaceChildren(...shown.map((scene) => rowOf(scene, selected.has(scene.path))));
  box.hidden = shown.length === 0;
  for (const label of box.querySelectorAll("label")) if (label.title === focused) label.querySelector("input")?.focus();
  byId("local-scenes-summary").textContent = summarize(found, shown.length, found.scenes.filter(({ path }) => selected.has(path)).length);
}

/** Show the scenes, with those checked that the form contains. The server is called once, and only where it has folders. */
export async function showLocalScenes() {
  const summary = byId("local-scenes-summary");
  summary.textContent ||= "Reading the folders …";
  listing ??= get("scenes").catch((error) => { listing = null; throw error; });
  await listing?.then(show, (error) => { summary.textContent = messageOf(error); });
}
