// The layers on the map: which there are, in which order, how they are seen. What a kind of layer does is in the kinds'
// own modules; who shows layers listens to `change`.

import { map } from "./map.mjs";
import { overlaps } from "../lib/geo.mjs";

const LOWEST = 400;
let panes = 0;

/** Something on the map. Its kinds build what Leaflet shows. */
export class Layer {
  /**
   * @param {string} key by which a link names it: `m.` or `e.` and the id.
   * @param {string} title
   * @param {number[]} box where it is.
   */
  constructor(key, title, box) {
    Object.assign(this, { key, title, box, visible: true, opacity: 1, colours: {} });
    this.pane = `layer-${panes++}`;
  }

  /** Whether its colours can be chosen. */
  get colourable() { return false; }

  /** What it says of itself under its title. */
  get says() { return ""; }

  /** Files that can be had, as {label: address}. */
  get downloads() { return {}; }

  /** Its legend as the API tells legends, or null. */
  async legend() { return null; }

  /** The values of its bands at a place as [{name, value}]; none where it has no values. */
  async valuesAt() { return []; }

  /** Called when it is on the map, and when it is no longer. */
  added() {}
  removed() {}
}

/** Tiles within a box that may cross the antimeridian, seen on every copy of the world. */
export const Tiles = L.TileLayer.extend({
  initialize(url, box, options) {
    this._box = box;
    L.TileLayer.prototype.initialize.call(this, url, { maxZoom: 20, ...options });
  },

  _isValidTile(coords) {
    const [{ lat: north, lng: west }, { lat: south, lng: east }] = this._tileCoordsToNwSe(coords);
    return L.TileLayer.prototype._isValidTile.call(this, coords) && overlaps(this._box, [west, south, east, north]);
  },
});

class Layers extends EventTarget {
  /** The uppermost first. */
  list = [];

  find(key) { return this.list.find((layer) => layer.key === key); }

  /** Put a layer on top of the others, or find it there already. */
  add(layer, place = 0) {
    const there = this.find(layer.key);
    if (there) return there;
    map.createPane(layer.pane);
    this.list.splice(place, 0, layer);
    layer.added();
    this.changed();
    return layer;
  }

  remove(layer) {
    this.list = this.list.filter((other) => other !== layer);
    layer.removed();
    map.getPane(layer.pane)?.remove();
    delete map.getPanes()[layer.pane];
    this.changed();
  }

  /** Move a layer to a place in the order, 0 being the top. */
  move(layer, place) {
    this.list = this.list.filter((other) => other !== layer);
    this.list.splice(Math.max(0, place), 0, layer);
    this.changed();
  }

  /** Change how a layer is seen: visible, opacity. */
  set(layer, look) {
    Object.assign(layer, look);
    this.changed();
  }

  /** Bring the map into agreement, and tell. */
  changed() {
    this.list.forEach((layer, place) => {
      const { style } = map.getPane(layer.pane);
      style.zIndex = LOWEST + this.list.length - place;
      style.opacity = layer.opacity;
      style.display = layer.visible ? "" : "none";
    });
    this.dispatchEvent(new Event("change"));
  }
}

export const layers = new Layers();
