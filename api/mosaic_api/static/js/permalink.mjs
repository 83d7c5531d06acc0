// The current view in the URL, so that a link, or reloading the page, shows the same.
//
//   #at=48.43,-123.37,11.5&layer=m.<id>,0.8,1,viridis,-1,1&compare=m.<id>,d.<id>,50&panel=layers

import { get } from "./lib/api.mjs";
import { byId, debounced, notify } from "./lib/dom.mjs";
import * as locale from "./lib/locale.mjs";
import { open, openPanel } from "./lib/tabs.mjs";
import { layerOf } from "./layers/dataset_layer.mjs";
import { layers } from "./layers/layers.mjs";
import { map } from "./layers/map.mjs";
import { MosaicLayer } from "./layers/mosaic_layer.mjs";
import { compare, compared } from "./layers/swipe.mjs";

const DELAY_MILLISECONDS = 250;
const rounded = (/** @type {number} */ number, /** @type {number} */ digits) => Number(number.toFixed(digits));

/** The view as the fragment of a URL. */
function fragment() {
  const { lat, lng } = map.getCenter();
  const view = new URLSearchParams({ at: [rounded(lat, 5), rounded(lng, 5), rounded(map.getZoom(), 2)].join() });
  for (const { key, opacity, visible, colours } of layers.list) {
    const { colormap = "", minimum = "", maximum = "" } = colours;
    view.append("layer", [key, rounded(opacity, 2), Number(visible), colormap, minimum, maximum].join().replace(/,+$/, ""));
  }
  const pair = compared();
  if (pair) view.set("compare", [pair.left, pair.right, pair.share].join());
  view.set("panel", openPanel());
  return `#${decodeURIComponent(String(view))}`;
}

let restoring = false;
const write = debounced(() => { if (!restoring) history.replaceState(null, "", fragment()); }, DELAY_MILLISECONDS);

/** The layer with a key. @param {string} key */
async function layerOfKey(key) {
  const [kind, id] = key.split(".");
  if (!/^[0-9a-f-]{36}$/.test(id)) throw new Error("not the key of a layer");
  return kind === "m" ? new MosaicLayer(await get(`requests/${id}`)) : layerOf(await get(`datasets/${id}`));
}

/** Show the view that the URL describes, without the layers that do not exist or are not visible to the user. */
export async function restore() {
  const view = new URLSearchParams(location.hash.slice(1));
  const [latitude, longitude, zoom] = (view.get("at") ?? "").split(",").map(Number);
  if ([latitude, longitude, zoom].every(Number.isFinite)) map.setView([latitude, longitude], zoom);
  const panel = view.get("panel") ?? "";
  if (document.getElementById(`tab-${panel}`)) open(panel);
  restoring = true;
  const wanted = view.getAll("layer").map((text) => text.split(","));
  const found = await Promise.all(wanted.map(([key]) => layerOfKey(key).catch(() => null)));
  for (const [number, layer] of [...found.entries()].reverse()) {
    if (!layer) continue;
    const [, opacity, visible, colormap, minimum, maximum] = wanted[number];
    layers.add(layer);
    const limits = minimum && maximum ? { minimum: Number(minimum), maximum: Number(maximum) } : {};
    if (layer.colourable && (colormap || minimum)) layer.colour({ ...(colormap ? { colormap } : {}), ...limits });
    const share = Number(opacity ?? 1);
    layers.set(layer, { opacity: share >= 0 && share <= 1 ? share : 1, visible: visible !== "0" });
  }
  const missing = found.filter((layer) => !layer).length;
  if (missing) notify(`${locale.count(missing, "layer")} in this link ${missing === 1 ? "was" : "were"} deleted or not shared with you.`);
  const [left, right, share] = (view.get("compare") ?? "").split(",");
  if (layers.find(left) && layers.find(right)) compare(left, right, Number(share ?? 50));
  restoring = false;
}

map.on("moveend", write);
layers.addEventListener("change", write);
for (const event of ["view", "panel"]) document.addEventListener(event, write);
addEventListener("hashchange", () => {
  for (const layer of [...layers.list]) layers.remove(layer);
  restore();
});

byId("copy-link").addEventListener("click", async () => {
  const link = new URL(fragment(), location.href).href;
  await navigator.clipboard.writeText(link).then(
    () => notify("Link copied. Others see the layers in it that are shared with them."),
    () => notify("The browser does not allow copying. Copy the link from the address bar."));
});
