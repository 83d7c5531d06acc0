// Land outlines from a file of this page, drawn into tiles: they need no network, repeat around the world, and take the
// page's colours, also when those change between light and dark.

const FILE = new URL("../../vendor/world-atlas-2.0.2/land-50m.json", import.meta.url);
const MERCATOR_LATITUDE = 85.0511;
const FINEST_ZOOM = 14;
/** Beyond it tiles are enlarged; the outlines, at 1 : 50 million, are coarse by then anyway. */

/** A ring whose longitudes go on where it crosses the antimeridian; one around the pole is closed over the pole. */
function continued(ring) {
  let turn = 0;
  const places = ring.map(([longitude, latitude], index) => {
    if (index > 0) turn -= 360 * Math.round((longitude - ring[index - 1][0]) / 360);
    return [longitude + turn, latitude];
  });
  const [first, last] = [places[0], places.at(-1)];
  return Math.abs(last[0] - first[0]) < 180 ? places : [...places, [last[0], -90], [first[0], -90]];
}

/** A ring in the square of Web Mercator, or beyond its sides: x, y, x, y, … and the box around it. */
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

const onEdge = (y) => y < 1e-6 || y > 1 - 1e-6;

const land = fetch(FILE)
  .then((answer) => answer.json())
  .then((topology) => topojson.feature(topology, topology.objects.land))
  .then((collection) => collection.features.flatMap(({ geometry }) => geometry.coordinates.map((rings) => rings.map((ring) => project(continued(ring))))));

/** Draw polygons into a tile. */
function draw(context, polygons, { x, y, z }, size, colours) {
  const scale = 2 ** z * size;
  const [top, margin] = [y / 2 ** z, 2 / scale];
  const [area, coast] = [new Path2D(), new Path2D()];
  for (const turn of [-1, 0, 1]) {
    const left = x / 2 ** z - turn;
    const seen = ([{ box }]) => box[0] <= left + 1 / 2 ** z + margin && box[2] >= left - margin
      && box[1] <= top + 1 / 2 ** z + margin && box[3] >= top - margin;
    for (const { flat } of polygons.filter(seen).flat()) {
      for (let at = 0; at < flat.length; at += 2) {
        const [px, py] = [(flat[at] - left) * scale, (flat[at + 1] - top) * scale];
        if (at === 0) area.moveTo(px, py);
        else area.lineTo(px, py);
        if (at === 0 || (onEdge(flat[at + 1]) && onEdge(flat[at - 1]))) coast.moveTo(px, py); // the map's end is no coast
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

export const Land = L.GridLayer.extend({
  options: { maxNativeZoom: FINEST_ZOOM, maxZoom: 20, updateWhenZooming: false },

  onAdd(map) {
    this._scheme = matchMedia("(prefers-color-scheme: dark)");
    this._scheme.addEventListener("change", () => this.redraw());
    return L.GridLayer.prototype.onAdd.call(this, map);
  },

  createTile(coords, done) {
    const { x: size } = this.getTileSize();
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = size * devicePixelRatio;
    const context = canvas.getContext("2d");
    context.scale(devicePixelRatio, devicePixelRatio);
    const style = getComputedStyle(document.documentElement);
    const colours = { land: style.getPropertyValue("--land"), coast: style.getPropertyValue("--coast") };
    land.then((polygons) => { draw(context, polygons, coords, size, colours); done(null, canvas); }, (error) => done(error, canvas));
    return canvas;
  },
});
