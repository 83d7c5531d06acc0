// A mosaic on the map: tiles once it is published, previews of the finished tiles before.

import { get, urlOf } from "../lib/api.mjs";
import { boundsNear, boxOfArea } from "../lib/geo.mjs";
import { settings } from "../lib/settings.mjs";
import { productName } from "../lib/spec.mjs";
import { Layer, Tiles, layers } from "./layers.mjs";
import { map } from "./map.mjs";

/** @typedef {Record<string, any>} Request as the API returns it. */

/** @type {import("./layers.mjs").Box} */
const WORLD = [-180, -85, 180, 85];

/** Whether a request has a mosaic. @param {Request} request */
export const isPublished = (request) => request.phase === "Succeeded";

/** The extent of a request's mosaic; null if only its files know it. @param {Request} request @returns {import("./layers.mjs").Box | null} */
export const boxOf = (request) => request.status.result?.bounds ?? boxOfArea(request.spec.area);

/** The files of a published mosaic. @param {Request} request @returns {Record<string, string>} URL by label. */
export function downloadsOf(request) {
  if (!isPublished(request)) return {};
  const { id, spec } = request;
  const keys = [...(spec.output?.formats ?? ["cog", "png"]), "item"];
  const files = settings.files.filter(({ key }) => keys.includes(key));
  return Object.fromEntries(files.map(({ key, title }) => [title, urlOf(`requests/${id}/files/${key}`)]));
}

export class MosaicLayer extends Layer {
  /** @type {L.TileLayer | null} */
  #tiles = null;
  /** @type {L.LayerGroup | null} */
  #preview = null;
  /** @type {string | null} */
  #stretch = null;
  #shown = new Set();

  /** @param {Request} request */
  constructor(request) {
    super(`m.${request.id}`, request.name, boxOf(request) ?? WORLD);
    this.request = request;
  }

  get path() { return `requests/${this.request.id}`; }
  get published() { return isPublished(this.request); }
  get colourable() { return this.published && (this.request.spec.product.bands?.length ?? 1) === 1; }

  get description() {
    const product = productName(this.request.spec.product) ?? "";
    return this.published ? product : `${product}, ${this.request.phase.toLowerCase()}`;
  }

  get downloads() { return downloadsOf(this.request); }

  get footprint() { return this.request.spec.area?.geometry ?? null; }

  get #query() {
    const query = new URLSearchParams(/** @type {any} */ (this.colours));
    return query.size ? `?${query}` : "";
  }

  async legend() { return this.published ? get(`${this.path}/legend${this.#query}`) : null; }

  /** @type {Layer["valuesAt"]} */
  async valuesAt(latitude, longitude, signal) {
    if (!this.published) return [];
    return (await get(`${this.path}/point?lon=${longitude}&lat=${latitude}`, signal)).bands;
  }

  added() { this.update(this.request); }

  removed() {
    this.#tiles?.remove();
    this.#preview?.remove();
  }

  /** Show the current state of the request. @param {Request} request */
  update(request) {
    const before = this.request;
    this.request = request;
    const box = boxOf(request);
    if (box) this.box = box;
    if (this.published) this.#showTiles();
    else if (!request.terminal) this.#showPreview();
    if (before.phase !== request.phase) layers.changed();
  }

  /** @type {Layer["colour"]} */
  colour(colours) {
    this.colours = colours;
    this.#tiles?.setUrl(this.#url());
    layers.changed();
  }

  #url() { return `${urlOf(`${this.path}/tiles/`)}{z}/{x}/{y}.png${this.#query}`; }

  #showTiles() {
    if (this.#tiles) return;
    this.#tiles = new Tiles(this.#url(), this.box, { pane: this.pane });
    this.#tiles.once("load", () => { this.#preview?.remove(); this.#preview = null; });
    this.#tiles.addTo(map);
  }

  async #showPreview() {
    this.#preview ??= L.layerGroup().addTo(map);
    const query = this.#stretch ? `?stretch=${encodeURIComponent(this.#stretch)}` : "";
    const { stretch, tiles } = await get(`${this.path}/preview${query}`).catch(() => ({ tiles: [] }));
    this.#stretch = stretch ?? this.#stretch;
    for (const { index, bounds, url } of tiles) {
      if (this.#shown.has(index) || !this.#preview) continue;
      this.#shown.add(index);
      L.imageOverlay(urlOf(url), boundsNear(bounds, map.getCenter().lng), { pane: this.pane }).addTo(this.#preview);
    }
  }
}
