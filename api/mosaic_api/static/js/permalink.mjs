// What is seen, in the address of the page: so that a link, or loading it again, shows the same.
//
//   #at=48.43,-123.37,11.5&layer=m.<id>,0.8,1,viridis,-1,1&compare=m.<id>,e.<id>,50&panel=layers

import { get } from "./lib/api.mjs";
import { notify, settled, the } from "./lib/dom.mjs";
import { layerOf } from "./layers/dataset_layer.mjs";
import { layers } from "./layers/layers.mjs";
import { map } from "./layers/map.mjs";
import { MosaicLayer } from "./layers/mosaic_layer.mjs";
import { compare, compared } from "./layers/swipe.mjs";
import { open, opened } from "./lib/tabs.mjs";

const QUIET = 250;
const shortened = (number, digits) => Number(number.toFixed(digits));

/** The view as the part of an address behind #. */
export function written() {
  const { lat, lng } = map.getCenter();
  const told = new URLSearchParams({ at: [shortened(lat, 5), shortened(lng, 5), shortened(map.getZoom(), 2)].join() });
  for (const { key, opacity, visible, colours } of layers.list) {
    const { colormap = "", minimum = "", maximum = "" } = colours;
    told.append("layer", [key, shortened(opacity, 2), Number(visible), colormap, minimum, maximum].join().replace(/,+$/, ""));
  }
  const two = compared();
  if (two) told.set("compare", [two.left, two.right, two.share].join());
  told.set("panel", opened());
  return `#${decodeURIComponent(told)}`;
}

let reading = false;
const write = settled(() => { if (!reading) history.replaceState(null, "", written()); }, QUIET);

/** The layer that a key names. */
async function layerOfKey(key) {
  const [kind, id] = key.split(".");
  if (!/^[0-9a-f-]{36}$/.test(id)) throw new Error("no layer has this name");
  return kind === "m" ? new MosaicLayer(await get(`requests/${id}`)) : layerOf(await get(`datasets/${id}`));
}

/** Show what the address tells; what is not there, or not for this reader, is left out and told. */
export async function read() {
  const told = new URLSearchParams(location.hash.slice(1));
  const [latitude, longitude, zoom] = (told.get("at") ?? "").split(",").map(Number);
  if ([latitude, longitude, zoom].every(Number.isFinite)) map.setView([latitude, longitude], zoom);
  if (document.getElementById(`tab-${told.get("panel")}`)) open(told.get("panel"));
  reading = true;
  const wanted = told.getAll("layer").map((text) => text.split(","));
  const found = await Promise.all(wanted.map(([key]) => layerOfKey(key).catch(() => null)));
  for (const [number, layer] of [...found.entries()].reverse()) {
    if (!layer) continue;
    const [, opacity, visible, colormap, minimum, maximum] = wanted[number];
    layers.add(layer);
    const limits = minimum && maximum ? { minimum: Number(minimum), maximum: Number(maximum) } : {};
    if (layer.colourable && (colormap || minimum)) layer.colour({ ...(colormap ? { colormap } : {}), ...limits });
    const part = Number(opacity ?? 1);
    layers.set(layer, { opacity: part >= 0 && part <= 1 ? part : 1, visible: visible !== "0" });
  }
  const missing = found.filter((layer) => !layer).length;
  if (missing) notify(missing === 1 ? "A layer of this link is not there, or not shared with you." : `${missing} layers of this link are not there, or not shared with you.`);
  const [left, right, share] = (told.get("compare") ?? "").split(",");
  if (layers.find(left) && layers.find(right)) compare(left, right, Number(share ?? 50));
  reading = false;
}

map.on("moveend", write);
layers.addEventListener("change", write);
for (const event of ["view", "panel"]) document.addEventListener(event, write);
addEventListener("hashchange", () => {
  for (const layer of [...layers.list]) layers.remove(layer);
  read();
});

the("copy-link").addEventListener("click", async () => {
  const link = new URL(written(), location.href).href;
  await navigator.clipboard.writeText(link).then(
    () => notify("The link is copied. Others see those of its layers that are shared with them."),
    () => notify("The browser does not let the page copy; the link is in its address bar."));
});
