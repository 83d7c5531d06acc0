// Where the pointer is, and what the layers' values are there; by keyboard, the same for the middle of the map.

import { make, settled, the } from "../lib/dom.mjs";
import { holds, wrapped } from "../lib/geo.mjs";
import { layers } from "./layers.mjs";
import * as locale from "../lib/locale.mjs";
import { map } from "./map.mjs";

const QUIET = 120;
/** Milliseconds for which the pointer rests before values are asked for. */
const MOST = 3;
/** Layers whose values are told at once. */
let asking = null;

function show(place, rows) {
  const told = rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
  the("reading").replaceChildren(locale.place(place.lat, place.lng), ...(told.length ? [make("dl", {}, ...told)] : []));
}

async function read(place) {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  const seen = layers.list.filter((layer) => layer.visible && holds(layer.box, place.lat, place.lng)).slice(0, MOST);
  const found = await Promise.all(seen.map(async (layer) => {
    const bands = await layer.valuesAt(place.lat, place.lng, signal).catch(() => []);
    return bands.map(({ name, value }) => [seen.length > 1 || bands.length > 1 ? `${layer.title} ${name}` : name, locale.value(value)]);
  }));
  if (!signal.aborted) show(place, found.flat());
}

const later = settled(read, QUIET);

/** Tell of a place: where it is at once, its values when the pointer rests. */
function tell({ lat, lng }) {
  const place = { lat: Math.max(-90, Math.min(90, lat)), lng: wrapped(lng) };
  show(place, []);
  asking?.abort();
  later(place);
}

map.on("mousemove", ({ latlng }) => tell(latlng));
map.on("click", ({ latlng }) => tell(latlng)); // a finger does not hover
map.on("mouseout", () => { later.cancel(); asking?.abort(); the("reading").replaceChildren(); });
map.on("moveend", () => { if (map.getContainer().matches(":focus-visible")) tell(map.getCenter()); });
