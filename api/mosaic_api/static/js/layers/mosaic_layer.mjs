// A mosaic on the map: its tiles once it is published; before, the pictures of those tiles that are done.

import { address, get } from "../lib/api.mjs";
import { boundsNear, boxOfArea } from "../lib/geo.mjs";
import { Layer, Tiles, layers } from "./layers.mjs";
import { map, told } from "./map.mjs";
import { productName } from "../lib/spec.mjs";

const WORLD = [-180, -85, 180, 85];
const OVER = ["Succeeded", "Failed", "Cancelled"];

/** Whether nothing more happens to a request. */
export const isOver = (request) => OVER.includes(request.phase);

/** Where a request's mosaic is or will be; null if only its files know. */
export const boxOf = (request) => request.status.result?.bounds ?? boxOfArea(request.spec.area);

/** The files of a published mosaic, as {label: address}. */
export function downloadsOf({ id, phase, spec }) {
  if (phase !== "Succeeded") return {};
  const keys = [...(spec.output?.formats ?? ["cog", "png"]), "item"];
  const files = told.files.filter(({ key }) => keys.includes(key));
  return Object.fromEntries(files.map(({ key, title }) => [title, address(`requests/${id}/files/${key}`)]));
}

export class MosaicLayer extends Layer {
  #tiles = null;
  #preview = null;
  #stretch = null;
  #seen = new Set();

  constructor(request) {
    super(`m.${request.id}`, request.name, boxOf(request) ?? WORLD);
    this.request = request;
  }

  get path() { return `requests/${this.request.id}`; }
  get published() { return this.request.phase === "Succeeded"; }
  get colourable() { return this.published && (this.request.spec.product.bands?.length ?? 1) === 1; }

  get says() {
    const product = productName(this.request.spec.product);
    return this.published ? product : `${product}, ${this.request.phase.toLowerCase()}`;
  }

  get downloads() { return downloadsOf(this.request); }

  get #parameters() {
    const told = new URLSearchParams(Object.entries(this.colours));
    return told.size ? `?${told}` : "";
  }

  async legend() { return this.published ? get(`${this.path}/legend${this.#parameters}`) : null; }

  async valuesAt(latitude, longitude, signal) {
    if (!this.published) return [];
    return (await get(`${this.path}/point?lon=${longitude}&lat=${latitude}`, signal)).bands;
  }

  added() { this.update(this.request); }

  removed() {
    this.#tiles?.remove();
    this.#preview?.remove();
  }

  /** Take over what is known of the request by now. */
  update(request) {
    const before = this.request;
    this.request = request;
    this.box = boxOf(request) ?? this.box;
    if (this.published) this.#showTiles();
    else if (!isOver(request)) this.#showPreview();
    if (before.phase !== request.phase) layers.changed();
  }

  /** Colour the mosaic otherwise: {colormap, minimum, maximum}, each only if it differs from its own. */
  colour(colours) {
    this.colours = colours;
    this.#tiles?.setUrl(this.#address());
    layers.changed();
  }

  #address() { return `${address(`${this.path}/tiles/`)}{z}/{x}/{y}.png${this.#parameters}`; }

  #showTiles() {
    if (this.#tiles) return;
    this.#tiles = new Tiles(this.#address(), this.box, { pane: this.pane });
    this.#tiles.once("load", () => { this.#preview?.remove(); this.#preview = null; });
    this.#tiles.addTo(map);
  }

  async #showPreview() {
    this.#preview ??= L.layerGroup().addTo(map);
    const told = this.#stretch ? `?stretch=${encodeURIComponent(this.#stretch)}` : "";
    const { stretch, tiles } = await get(`${this.path}/preview${told}`).catch(() => ({ tiles: [] }));
    this.#stretch = stretch ?? this.#stretch;
    for (const { index, bounds, url } of tiles) {
      if (this.#seen.has(index) || !this.#preview) continue;
      this.#seen.add(index);
      L.imageOverlay(address(url), boundsNear(bounds, map.getCenter().lng), { pane: this.pane }).addTo(this.#preview);
    }
  }
}
