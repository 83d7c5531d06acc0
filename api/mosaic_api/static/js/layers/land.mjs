// A basemap of land outlines, drawn into tiles from a file of this server: it needs no other network, repeats around the
// world, and follows the page's colours between light and dark.

/** @typedef {{flat: Float64Array, box: number[]}} Ring in the square of Web Mercator: x, y, x, y, … and the box around it. */

const FILE = new URL("../../vendor/world-atlas-2.0.2/land-50m.json", import.meta.url);
const MERCATOR_LATITUDE = 85.0511;
/** Tiles of higher zooms are enlarged; the outlines, at 1 : 50 million, are coarse there anyway. */
const MAX_NATIVE_ZOOM = 14;

/** A ring with continuous longitudes where it crosses the antimeridian; one around the pole is closed over the pole. @param {number[][]} ring */
function continued(ring) {
  let turn = 0;
  const vertices = ring.map(([longitude, latitude], index) => {
    if (index > 0) turn -= 360 * Math.round((longitude - ring[index - 1][0]) / 360);
    return [longitude + turn, latitude];
  });
  const [first, last] = [vertices[0], vertices[vertices.length - 1]];
  return Math.abs(last[0] - first[0]) < 180 ? vertices : [...vertices, [last[0], -90], [first[0], -90]];
}

/** A ring in the square of Web Mercator, or beyond its sides. @param {number[][]} ring @returns {Ring} */
function project(ring) {
  const flat = new Float64Array(ring.length * 2);
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  ring.forEach(([longitude, latitude], index) => {
    const sine = Math.sin((Math.max(-MERCATOR_LATITUDE, Math.min(MERCATOR_LATITUDE, latitude)) * Math.PI) / 180);
    const [x, y] = [longitude / 360 + 0.5, 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)];
    flat.set([x, y], index * 2);
    box.splice(0, 4, Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x), Math.max(box[3], y));
  });
  return { flat, box };
}

/** @param {number} y */
const onEdge = (y) => y < 1e-6 || y > 1 - 1e-6;

/** @type {Promise<Ring[][]>} */
const land = fetch(FILE)
  .then((response) => response.json())
  .then((topology) => /** @type {any} */ (topojson.feature(topology, topology.objects.land)))
  .then(({ features }) => features.flatMap((/** @type {any} */ { geometry }) =>
    geometry.coordinates.map((/** @type {number[][][]} */ rings) => rings.map((ring) => project(continued(ring))))));

/**
 * Draw polygons into a tile.
 * @param {CanvasRenderingContext2D} context
 * @param {Ring[][]} polygons
 * @param {{x: number, y: number, z: number}} tile
 * @param {number} size of the tile in pixels.
 * @param {{land: string, coast: string}} colours
 */
function draw(context, polygons, { x, y, z }, size, colours) {
  const scale = 2 ** z * size;
  const [top, margin] = [y / 2 ** z, 2 / scale];
  const [area, coast] = [new Path2D(), new Path2D()];
  for (const turn of [-1, 0, 1]) {
    const left = x / 2 ** z - turn;
    const visible = (/** @type {Ring[]} */ [{ box }]) => box[0] <= left + 1 / 2 ** z + margin && box[2] >= left - margin
      && box[1] <= top + 1 / 2 ** z + margin && box[3] >= top - margin;
    for (const { flat } of polygons.filter(visible).flat()) {
      for (let at = 0; at < flat.length; at += 2) {
        const [px, py] = [(flat[at] - left) * scale, (flat[at + 1] - top) * scale];
        if (at === 0) area.moveTo(px, py);
        else area.lineTo(px, py);
        if (at === 0 || (onEdge(flat[at + 1]) && onEdge(flat[at - 1]))) coast.moveTo(px, py); // the edge of the map is not a coast
        else coast.lineTo(px, py);
      }
      area.closePath();
    }
  }
  context.fillStyle = colours.land;
  context.fill(area, "evenodd");
  context.strokeStyle = colours.coast;
  context.stroke(coast);
}

export const Land = /** @type {new (options: L.GridLayerOptions) => L.GridLayer} */ (L.GridLayer.extend({
  options: { maxNativeZoom: MAX_NATIVE_ZOOM, maxZoom: 20, updateWhenZooming: false },

  onAdd(/** @type {L.Map} */ map) {
    this._scheme = matchMedia("(prefers-color-scheme: dark)");
    this._scheme.addEventListener("change", () => this.redraw());
    return L.GridLayer.prototype.onAdd.call(this, map);
  },

  createTile(/** @type {any} */ coords, /** @type {L.DoneCallback} */ done) {
    const { x: size } = this.getTileSize();
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = size * devicePixelRatio;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.scale(devicePixelRatio, devicePixelRatio);
    const style = getComputedStyle(document.documentElement);
    const colours = { land: style.getPropertyValue("--land"), coast: style.getPropertyValue("--coast") };
    land.then((polygons) => { draw(context, polygons, coords, size, colours); done(undefined, canvas); }, (error) => done(error, canvas));
    return canvas;
  },
}));
