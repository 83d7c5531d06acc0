// The map, with its basemap: land outlines, and a tile server if one is configured.

import { boundsNear, boxOfCorners } from "../lib/geo.mjs";
import { settings } from "../lib/settings.mjs";
import { Land } from "./land.mjs";

/** @typedef {import("../lib/geo.mjs").Box} Box */

/** Panes by their z-index. */
const PANES = { basemap: 150, sketch: 620 };
/** The first view. */
const FIRST = { centre: /** @type {[number, number]} */ ([50, -100]), zoom: 3 };
/** The highest zoom for a box, and for a point. */
const MAX_ZOOM = { box: 15, point: 11 };

export const map = L.map("map", { worldCopyJump: true, minZoom: 2, maxZoom: 20, zoomControl: false, attributionControl: false })
  .setView(FIRST.centre, FIRST.zoom);

for (const [name, height] of Object.entries(PANES)) map.createPane(name).style.zIndex = String(height);
L.control.zoom({ position: "topleft" }).addTo(map);
L.control.scale({ position: "bottomleft", imperial: false }).addTo(map);
L.control.attribution({ position: "bottomright", prefix: '<a href="https://leafletjs.com">Leaflet</a>' }).addTo(map);
new Land({ pane: "basemap", attribution: "Land: Natural Earth" }).addTo(map);
if (settings.tileServer) {
  L.tileLayer(settings.tileServer, { pane: "basemap", zIndex: 2, maxZoom: 20, attribution: settings.tileAttribution ?? "" }).addTo(map);
}
map.pm.setGlobalOptions({ panes: { layerPane: "sketch", vertexPane: "markerPane", markerPane: "markerPane" }, snappable: false });
new ResizeObserver(() => map.invalidateSize({ pan: false })).observe(map.getContainer());

/** Move the map to a box. @param {Box} box */
export function lookAt(box) {
  const bounds = boundsNear(box, map.getCenter().lng);
  map.fitBounds(bounds, { padding: [24, 24], maxZoom: box[1] === box[3] ? MAX_ZOOM.point : MAX_ZOOM.box });
}

/** The box of the current view. */
export function viewBox() {
  const bounds = map.getBounds();
  return boxOfCorners(bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth());
}

/** @type {L.Rectangle | null} */
let outlined = null;

/** Outline a box while the pointer or the focus is on an element. @param {HTMLElement} element @param {() => Box | null} boxOf */
export function outlineWith(element, boxOf) {
  for (const event of ["pointerenter", "focusin"]) element.addEventListener(event, () => outline(boxOf()));
  for (const event of ["pointerleave", "focusout"]) element.addEventListener(event, () => outline(null));
}

/** Outline a box on the map; null removes the outline. @param {Box | null} box */
export function outline(box) {
  outlined?.remove();
  outlined = box && L.rectangle(boundsNear(box, map.getCenter().lng), {
    pane: "sketch", className: "outline-shape", interactive: false, pmIgnore: true,
  }).addTo(map);
}
