// A mosaic on the map: tiles once it is published, previews of the finished tiles before.

import { get, urlOf } from "../lib/api.mjs";
import { boundsNear, boxOfArea } from "../lib/geo.mjs";
import { settings } from "../lib/settings.mjs";
import { pictureBands, productName } from "../lib/spec.mjs";
import { Layer, layers } from "./layers.mjs";
import { map } from "./map.mjs";

/**
 * @typedef {import("./layers.mjs").Box} Box
 * @typedef {Schemas["Request"]} Request
 */

/** @type {Box} */
const WORLD = [-180, -85, 180, 85];

/** Whether a request has a mosaic. @param {Request} request */
export const isPublished = (request) => request.phase === "Succeeded";

/** The extent of a request's mosaic; null if only its files know it. @param {Request} request @returns {Box | null} */
export const boxOf = (request) => /** @type {Box | undefined} */ (request.status.result?.bounds) ?? boxOfArea(request.spec.area);

/** The files of a published mosaic. @param {Request} request @returns {Record<string, string>} URL by label. */
export function downloadsOf(request) {
  if (!isPublished(request)) return {};
  const { id, spec } = request;
  const keys = [...(spec.output?.formats ?? ["cog", "png"]), "item"];
  const files = settings.files.filter(({ key }) => keys.includes(key));
  return Object.fromEntries(files.map(({ key, title }) => [title, urlOf(`requests/${id}/files/${key}`)]));
}

export class MosaicLayer extends Layer {
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

  get path() { return /** @type {const} */ (`requests/${this.request.id}`); }
  get published() { return isPublished(this.request); }
  get colourable() { return this.published && !this.request.spec.product.classes && pictureBands(this.request.spec.product, this.request.spec.output?.picture).length < 3; }

  get description() {
    const product = productName(this.request.spec);
    return this.published ? product : `${product}, ${this.request.phase.toLowerCase()}`;
  }

  get downloads() { return downloadsOf(this.request); }

  get footprint() { return this.request.spec.area?.geometry ?? null; }

  async legend() { return this.published ? get(`${this.path}/legend${this.query}`) : null; }

  added() { this.update(this.request); }

  removed() {
    super.removed();
    this.#preview?.remove();
  }

  /** Show the current state of the request. @param {Request} request */
  update(request) {
    const before = this.request;
    this.request = request;
    const box = boxOf(request);
    if (box) this.box = box;
    if (this.published) this.showTiles();
    else if (!request.terminal) this.#showPreview();
    if (before.phase !== request.phase) layers.changed();
  }

  showTiles() {
    super.showTiles();
    this.tiles?.once("load", () => { this.#preview?.remove(); this.#preview = null; });
  }

  async #showPreview() {
    this.#preview ??= L.layerGroup().addTo(map);
    const query = new URLSearchParams(this.#stretch ? { stretch: this.#stretch } : {});
    const { stretch, tiles } = await get(`${this.path}/preview?${query}`).catch(() => ({ stretch: null, tiles: [] }));
    this.#stretch = stretch ?? this.#stretch;
    for (const { index, bounds, url } of tiles) {
      if (this.#shown.has(index) || !this.#preview) continue;
      this.#shown.add(index);
      L.imageOverlay(urlOf(url), boundsNear(bounds, map.getCenter().lng), { pane: this.pane }).addTo(this.#preview);
    }
  }
}
