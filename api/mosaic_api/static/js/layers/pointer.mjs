// Shows the coordinates under the pointer and the values of the layers there; with the keyboard, those of the map's centre.

import { debounced, byId, make } from "../lib/dom.mjs";
import { contains, wrapped } from "../lib/geo.mjs";
import * as locale from "../lib/locale.mjs";
import { layers } from "./layers.mjs";
import { map } from "./map.mjs";

/** Milliseconds for which the pointer must rest before values are requested. */
const REST = 120;
/** Layers whose values are shown. */
const MAX_LAYERS = 3;
/** @type {AbortController | null} */
let request = null;

/** @param {{lat: number, lng: number}} point @param {string[][]} rows name and value. */
function show(point, rows) {
  const values = rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
  byId("pointer").replaceChildren(locale.coordinates(point.lat, point.lng), ...(values.length ? [make("dl", {}, ...values)] : []));
}

/** @param {{lat: number, lng: number}} point */
async function showValues(point) {
  request?.abort();
  request = new AbortController();
  const { signal } = request;
  const visible = layers.list.filter((layer) => layer.visible && contains(layer.box, point.lat, point.lng)).slice(0, MAX_LAYERS);
  const found = await Promise.all(visible.map(async (layer) => {
    const bands = await layer.valuesAt(point.lat, point.lng, signal).catch(() => []);
    return bands.map(({ name, value, label }) => [visible.length > 1 || bands.length > 1 ? `${layer.title} ${name}` : name, label ?? locale.value(value)]);
  }));
  if (!signal.aborted) show(point, found.flat());
}

const showValuesSoon = debounced(showValues, REST);

/** Show the coordinates of a point, and its values when the pointer rests. @param {{lat: number, lng: number}} point */
function follow({ lat, lng }) {
  const point = { lat: Math.max(-90, Math.min(90, lat)), lng: wrapped(lng) };
  show(point, []);
  request?.abort();
  showValuesSoon(point);
}

map.on("mousemove", ({ latlng }) => follow(latlng));
map.on("click", ({ latlng }) => follow(latlng)); // touch screens do not hover
map.on("mouseout", () => { showValuesSoon.cancel(); request?.abort(); byId("pointer").replaceChildren(); });
map.on("moveend", () => { if (map.getContainer().matches(":focus-visible")) follow(map.getCenter()); });
