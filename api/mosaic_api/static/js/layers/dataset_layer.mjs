// Entries on the map: images as tiles, vector files with their attributes in a popup, points.

import { address, get } from "../lib/api.mjs";
import { make } from "../lib/dom.mjs";
import { boundsNear } from "../lib/geo.mjs";
import { Layer, Tiles, layers } from "./layers.mjs";
import { map, told } from "./map.mjs";

const USUAL_COLORMAP = "viridis";
const HUES = ["#d1495b", "#2f6db5", "#b8860b", "#7b4fa3", "#0f8b8d", "#c4601d"];

/** The layer of an entry, by its kind. */
export const layerOf = (entry) => new { image: ImageLayer, vector: VectorLayer, point: PointLayer }[entry.kind](entry);

class EntryLayer extends Layer {
  constructor(entry) {
    super(`e.${entry.id}`, entry.name, entry.bounds);
    this.entry = entry;
  }

  get path() { return `datasets/${this.entry.id}`; }
  get says() { return [this.entry.kind, this.entry.creator].filter((text) => text).join(", "); }

  get downloads() {
    const file = this.entry.files.original;
    return file ? { [file.name]: address(`${this.path}/files/original`) } : {};
  }

  removed() { this.shown?.remove(); }
}

class ImageLayer extends EntryLayer {
  get colourable() { return this.entry.details.bands?.length < 3 && !this.entry.details.palette; }

  get #parameters() {
    const asked = new URLSearchParams(Object.entries(this.colours));
    return asked.size ? `?${asked}` : "";
  }

  #address() { return `${address(`${this.path}/tiles/`)}{z}/{x}/{y}.png${this.#parameters}`; }

  added() { this.shown = new Tiles(this.#address(), this.box, { pane: this.pane }).addTo(map); }

  colour(colours) {
    this.colours = colours;
    this.shown.setUrl(this.#address());
    layers.changed();
  }

  async legend() {
    const { bands = [], limits, colormap } = this.entry.details;
    if (!this.colourable || !bands.length) return null;
    const [minimum, maximum] = limits ?? bands[0].stretch ?? [0, 1];
    const chosen = { colormap: colormap ?? USUAL_COLORMAP, minimum, maximum, ...this.colours };
    return { title: this.title, ...chosen, colours: told.colormaps[chosen.colormap], stops: [], bands: [] };
  }

  async valuesAt(latitude, longitude, signal) {
    return (await get(`${this.path}/point?lon=${longitude}&lat=${latitude}`, signal)).bands;
  }
}

/** A colour that stays the same for an entry. */
const hueOf = (id) => HUES[parseInt(id.slice(0, 6), 16) % HUES.length];

class VectorLayer extends EntryLayer {
  added() {
    const hue = hueOf(this.entry.id);
    const renderer = L.svg({ pane: this.pane });
    map.getPane(this.pane).classList.add("cased");
    const style = { renderer, pane: this.pane, color: hue, weight: 2.5, fillOpacity: 0.15, pmIgnore: true };
    this.shown = L.geoJSON(null, {
      style, pane: this.pane, pmIgnore: true,
      pointToLayer: (_, place) => L.circleMarker(place, { ...style, radius: 6, fillOpacity: 0.8 }),
      onEachFeature: (feature, shape) => shape.bindPopup(() => attributes(this.title, feature.properties)),
    }).addTo(map);
    get(`${this.path}/features`).then((features) => this.shown.addData(features), () => {});
  }
}

class PointLayer extends EntryLayer {
  added() {
    const [place] = boundsNear(this.box, map.getCenter().lng);
    const hue = hueOf(this.entry.id);
    const renderer = L.svg({ pane: this.pane });
    this.shown = L.circleMarker(place, { renderer, pane: this.pane, radius: 8, color: "#fff", weight: 2, fillColor: hue, fillOpacity: 1, pmIgnore: true })
      .bindPopup(() => attributes(this.title, { Description: this.entry.description, Creator: this.entry.creator }))
      .addTo(map);
  }
}

/** A table of attributes; nothing in it is read as HTML. */
function attributes(title, properties) {
  const told = Object.entries(properties ?? {}).filter(([, value]) => value !== null && value !== "");
  const rows = told.map(([name, value]) =>
    make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, typeof value === "object" ? JSON.stringify(value) : String(value))));
  return make("div", {}, make("p", {}, make("strong", {}, title)), rows.length ? make("table", {}, ...rows) : make("p", {}, "It says nothing more."));
}
