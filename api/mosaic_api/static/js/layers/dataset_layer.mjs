// Datasets on the map: images as tiles, vector files with their attributes in a popup, points.

import { get, urlOf } from "../lib/api.mjs";
import { make } from "../lib/dom.mjs";
import { boundsNear } from "../lib/geo.mjs";
import { settings } from "../lib/settings.mjs";
import { Layer, Tiles, layers } from "./layers.mjs";
import { map } from "./map.mjs";

/** @typedef {Record<string, any>} Dataset as the API returns it. */

const DEFAULT_COLORMAP = "viridis";
const HUES = ["#d1495b", "#2f6db5", "#b8860b", "#7b4fa3", "#0f8b8d", "#c4601d"];

/** The layer of a dataset, by its kind. @param {Dataset} dataset @returns {Layer} */
export function layerOf(dataset) {
  if (dataset.kind === "image") return new ImageLayer(dataset);
  return dataset.kind === "vector" ? new VectorLayer(dataset) : new PointLayer(dataset);
}

class DatasetLayer extends Layer {
  /** @type {L.Layer | null} */
  shown = null;

  /** @param {Dataset} dataset */
  constructor(dataset) {
    super(`d.${dataset.id}`, dataset.name, dataset.bounds);
    this.dataset = dataset;
  }

  get path() { return `datasets/${this.dataset.id}`; }
  get description() { return [this.dataset.kind, this.dataset.creator].filter((text) => text).join(", "); }

  get downloads() {
    const file = this.dataset.files.original;
    return file ? { [file.name]: urlOf(`${this.path}/files/original`) } : {};
  }

  get footprint() {
    const { footprint } = this.dataset;
    return ["Polygon", "MultiPolygon"].includes(footprint?.type) ? footprint : null;
  }

  removed() { this.shown?.remove(); }
}

class ImageLayer extends DatasetLayer {
  /** @type {L.TileLayer | null} */
  #tiles = null;

  get colourable() { return this.dataset.details.bands?.length < 3 && !this.dataset.details.palette; }

  #url() {
    const query = new URLSearchParams(/** @type {any} */ (this.colours));
    return `${urlOf(`${this.path}/tiles/`)}{z}/{x}/{y}.png${query.size ? `?${query}` : ""}`;
  }

  added() {
    this.#tiles = new Tiles(this.#url(), this.box, { pane: this.pane });
    this.shown = this.#tiles.addTo(map);
  }

  /** @type {Layer["colour"]} */
  colour(colours) {
    this.colours = colours;
    this.#tiles?.setUrl(this.#url());
    layers.changed();
  }

  async legend() {
    const { bands = [], limits, colormap } = this.dataset.details;
    if (!this.colourable || !bands.length) return null;
    const [minimum, maximum] = limits ?? bands[0].stretch ?? [0, 1];
    const chosen = { colormap: colormap ?? DEFAULT_COLORMAP, minimum, maximum, ...this.colours };
    return { title: this.title, ...chosen, colours: settings.colormaps[chosen.colormap], stops: [], bands: [] };
  }

  /** @type {Layer["valuesAt"]} */
  async valuesAt(latitude, longitude, signal) {
    return (await get(`${this.path}/point?lon=${longitude}&lat=${latitude}`, signal)).bands;
  }
}

/** The colour of a dataset, which its id determines. @param {string} id */
const hueOf = (id) => HUES[parseInt(id.slice(0, 6), 16) % HUES.length];

class VectorLayer extends DatasetLayer {
  added() {
    const hue = hueOf(this.dataset.id);
    const renderer = L.svg({ pane: this.pane });
    map.getPane(this.pane)?.classList.add("cased");
    const style = { renderer, pane: this.pane, color: hue, weight: 2.5, fillOpacity: 0.15, pmIgnore: true };
    const shown = L.geoJSON(null, /** @type {any} */ ({
      style, pane: this.pane, pmIgnore: true,
      pointToLayer: (/** @type {unknown} */ _, /** @type {L.LatLng} */ point) => L.circleMarker(point, { ...style, radius: 6, fillOpacity: 0.8 }),
      onEachFeature: (/** @type {any} */ feature, /** @type {L.Layer} */ shape) => shape.bindPopup(() => attributes(this.title, feature.properties)),
    })).addTo(map);
    this.shown = shown;
    get(`${this.path}/features`).then((features) => shown.addData(features), () => {});
  }
}

class PointLayer extends DatasetLayer {
  added() {
    const [point] = boundsNear(this.box, map.getCenter().lng);
    const hue = hueOf(this.dataset.id);
    const renderer = L.svg({ pane: this.pane });
    this.shown = L.circleMarker(point, { renderer, pane: this.pane, radius: 8, color: "#fff", weight: 2, fillColor: hue, fillOpacity: 1, pmIgnore: true })
      .bindPopup(() => attributes(this.title, { Description: this.dataset.description, Creator: this.dataset.creator }))
      .addTo(map);
  }
}

/** A table of attributes; nothing in it is parsed as HTML. @param {string} title @param {Record<string, unknown> | null} properties */
function attributes(title, properties) {
  const shown = Object.entries(properties ?? {}).filter(([, value]) => value !== null && value !== "");
  const rows = shown.map(([name, value]) =>
    make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, typeof value === "object" ? JSON.stringify(value) : String(value))));
  return make("div", {}, make("p", {}, make("strong", {}, title)), rows.length ? make("table", {}, ...rows) : make("p", {}, "No attributes."));
}
