// Datasets on the map: images as tiles, vector files with their attributes in a popup, points.

import { get, urlOf } from "../lib/api.mjs";
import { make } from "../lib/dom.mjs";
import { boundsNear } from "../lib/geo.mjs";
import { settings } from "../lib/settings.mjs";
import { Layer } from "./layers.mjs";
import { map } from "./map.mjs";

/**
 * @typedef {Schemas["Dataset"]} Dataset
 * @typedef {{bands?: {name: string, stretch?: [number, number]}[], limits?: [number, number], colormap?: string, palette?: unknown}} ImageDetails
 */

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

  get path() { return /** @type {const} */ (`datasets/${this.dataset.id}`); }
  get description() { return [this.dataset.kind, this.dataset.creator].filter((text) => text).join(", "); }

  get downloads() {
    const file = this.dataset.files.original;
    return file ? { [file.name]: urlOf(`${this.path}/files/original`) } : {};
  }

  get footprint() {
    const footprint = /** @type {any} */ (this.dataset.footprint);
    return ["Polygon", "MultiPolygon"].includes(footprint?.type) ? footprint : null;
  }

  removed() {
    super.removed();
    this.shown?.remove();
  }
}

class ImageLayer extends DatasetLayer {
  get #details() { return /** @type {ImageDetails} */ (this.dataset.details); }
  get colourable() { return (this.#details.bands?.length ?? 3) < 3 && !this.#details.palette; }

  added() { this.showTiles(); }

  async legend() {
    const { bands = [], limits, colormap } = this.#details;
    if (!this.colourable || !bands.length) return null;
    const [minimum, maximum] = limits ?? bands[0].stretch ?? [0, 1];
    const chosen = { colormap: colormap ?? DEFAULT_COLORMAP, minimum, maximum, ...this.colours };
    return { title: this.title, ...chosen, colours: settings.colormaps[chosen.colormap], stops: [], bands: [], gamma: 1, shoulder: false };
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
    get(`${this.path}/features`).then((features) => shown.addData(/** @type {any} */ (features)), () => {});
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
