// The one map of the page, with what lies under all layers: land outlines, and a tile server where one is configured.

import { Land } from "./land.mjs";
import { boundsNear, boxOfCorners } from "../lib/geo.mjs";

/** What the server told the page about this installation. */
export const told = JSON.parse(document.body.dataset.told);

const PLACES = { basemap: 150, sketch: 620 };
const FIRST = { centre: [50, -100], zoom: 3 };
const NEAREST_ZOOM = 15;
/** To which the map goes for something that has no size. */

export const map = L.map("map", { worldCopyJump: true, minZoom: 2, maxZoom: 20, zoomControl: false, attributionControl: false })
  .setView(FIRST.centre, FIRST.zoom);

for (const [name, height] of Object.entries(PLACES)) map.createPane(name).style.zIndex = height;
L.control.zoom({ position: "topleft" }).addTo(map);
L.control.scale({ position: "bottomleft", imperial: false }).addTo(map);
L.control.attribution({ position: "bottomright", prefix: '<a href="https://leafletjs.com">Leaflet</a>' }).addTo(map);
new Land({ pane: "basemap", attribution: "Land: Natural Earth" }).addTo(map);
if (told.tileServer) {
  L.tileLayer(told.tileServer, { pane: "basemap", zIndex: 2, maxZoom: 20, attribution: told.tileAttribution }).addTo(map);
}
map.pm.setGlobalOptions({ panes: { layerPane: "sketch", vertexPane: "markerPane", markerPane: "markerPane" }, snappable: false });
new ResizeObserver(() => map.invalidateSize({ pan: false })).observe(map.getContainer());

/** Look at a box; at a point from not too near. */
export function lookAt(box) {
  const bounds = boundsNear(box, map.getCenter().lng);
  map.fitBounds(bounds, { padding: [24, 24], maxZoom: box[1] === box[3] ? 11 : NEAREST_ZOOM });
}

/** The box that the map shows. */
export function viewBox() {
  const bounds = map.getBounds();
  return boxOfCorners(bounds.getWest(), bounds.getSouth(), bounds.getEast(), bounds.getNorth());
}

let outlined = null;

/** Outline a box on the map, or take the outline away. */
export function outline(box) {
  outlined?.remove();
  outlined = box && L.rectangle(boundsNear(box, map.getCenter().lng), {
    pane: "sketch", className: "outline-shape", interactive: false, pmIgnore: true,
  }).addTo(map);
}
