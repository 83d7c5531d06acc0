// The layers on the map, their order and how they are shown. The kinds of layers are in modules of their own. Code
// that displays layers listens to `change`.

import { get, urlOf } from "../lib/api.mjs";
import { overlaps } from "../lib/geo.mjs";
import { map } from "./map.mjs";

/**
 * @typedef {import("../lib/geo.mjs").Box} Box
 * @typedef {{colormap?: string, minimum?: number, maximum?: number}} Colours how a layer is coloured; what is missing is the layer's default.
 */

const LOWEST = 400;
let panes = 0;

/** Something on the map; subclasses create what Leaflet shows. */
export class Layer {
  visible = true;
  opacity = 1;
  /** @type {Colours} */
  colours = {};
  /** Its tiles; null if it has none (yet). @type {L.TileLayer | null} */
  tiles = null;
  pane = `layer-${panes++}`;

  /** @param {string} key its name in a link: `m.` (mosaic) or `d.` (dataset) and the id. @param {string} title @param {Box} box its extent. */
  constructor(key, title, box) {
    this.key = key;
    this.title = title;
    this.box = box;
  }

  /** The path of its request or dataset in the API. @returns {`requests/${string}` | `datasets/${string}`} */
  get path() { throw new Error("a kind of layer has a path"); }

  /** Whether the user can choose its colours. */
  get colourable() { return false; }

  /** The line below its title. */
  get description() { return ""; }

  /** Its files. @returns {Record<string, string>} URL by label. */
  get downloads() { return {}; }

  /** Its exact extent, where it is a polygon. @returns {import("../lib/geo.mjs").Geometry | null} */
  get footprint() { return null; }

  /** @returns {Promise<Schemas["Legend"] | null>} */
  async legend() { return null; }

  /**
   * The values of its bands at a point; none if it has no values there.
   * @param {number} latitude
   * @param {number} longitude
   * @param {AbortSignal} signal
   * @returns {Promise<Schemas["BandValue"][]>}
   */
  async valuesAt(latitude, longitude, signal) {
    return this.tiles ? (await get(`${this.path}/point?lon=${longitude}&lat=${latitude}`, signal)).bands : [];
  }

  /** The colours as a query. */
  get query() {
    const query = new URLSearchParams(/** @type {any} */ (this.colours));
    return query.size ? /** @type {const} */ (`?${query}`) : "";
  }

  get #url() { return `${urlOf(`${this.path}/tiles/`)}{z}/{x}/{y}.png${this.query}`; }

  /** Show its tiles, in its colours. */
  showTiles() { this.tiles ??= new Tiles(this.#url, this.box, { pane: this.pane }).addTo(map); }

  /** Change its colours. @param {Colours} colours */
  colour(colours) {
    this.colours = colours;
    this.tiles?.setUrl(this.#url);
    layers.changed();
  }

  /** Called after it was added to the map. */
  added() {}

  /** Called after it was removed from the map. */
  removed() { this.tiles?.remove(); }
}

/** Tiles within a box that can cross the antimeridian, on every copy of the world. */
export const Tiles = /** @type {new (url: string, box: Box, options: L.TileLayerOptions) => L.TileLayer} */ (L.TileLayer.extend({
  initialize(/** @type {string} */ url, /** @type {Box} */ box, /** @type {L.TileLayerOptions} */ options) {
    this._box = box;
    /** @type {any} */ (L.TileLayer.prototype).initialize.call(this, url, { maxZoom: 20, ...options });
  },

  _isValidTile(/** @type {L.Coords} */ coords) {
    const [{ lat: north, lng: west }, { lat: south, lng: east }] = this._tileCoordsToNwSe(coords);
    return /** @type {any} */ (L.TileLayer.prototype)._isValidTile.call(this, coords) && overlaps(this._box, [west, south, east, north]);
  },
}));

class Layers extends EventTarget {
  /** From top to bottom. @type {Layer[]} */
  list = [];

  /** @param {string} key */
  find(key) { return this.list.find((layer) => layer.key === key); }

  /**
   * Add a layer, unless it is on the map already.
   * @param {Layer} layer
   * @param {number} index its place in the order; 0 is the top.
   * @returns {Layer} the layer with this key that is on the map.
   */
  add(layer, index = 0) {
    const present = this.find(layer.key);
    if (present) return present;
    map.createPane(layer.pane);
    this.list.splice(index, 0, layer);
    layer.added();
    this.changed();
    return layer;
  }

  /** @param {Layer} layer */
  remove(layer) {
    this.list = this.list.filter((other) => other !== layer);
    layer.removed();
    map.getPane(layer.pane)?.remove();
    delete map.getPanes()[layer.pane];
    this.changed();
  }

  /** Move a layer within the order. @param {Layer} layer @param {number} index 0 is the top. */
  move(layer, index) {
    this.list = this.list.filter((other) => other !== layer);
    this.list.splice(Math.max(0, index), 0, layer);
    this.changed();
  }

  /** Change how a layer is shown. @param {Layer} layer @param {{visible?: boolean, opacity?: number}} look */
  set(layer, look) {
    Object.assign(layer, look);
    this.changed();
  }

  /** Update the map, and fire `change`. */
  changed() {
    this.list.forEach((layer, index) => {
      const { style } = /** @type {HTMLElement} */ (map.getPane(layer.pane));
      style.zIndex = String(LOWEST + this.list.length - index);
      style.opacity = String(layer.opacity);
      style.display = layer.visible ? "" : "none";
    });
    this.dispatchEvent(new Event("change"));
  }
}

export const layers = new Layers();
