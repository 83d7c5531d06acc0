// Land outlines from a file of this page, drawn into tiles: they need no network, repeat around the world, and take the
// page's colours, also when those change between light and dark.

const FILE = new URL("../vendor/world-atlas-2.0.2/land-50m.json", import.meta.url);
const MERCATOR_LATITUDE = 85.0511;
const FINEST_ZOOM = 14;
/** Beyond it tiles are enlarged; the outlines, at 1 : 50 million, are coarse by then anyway. */

/** A ring in the unit square of Web Mercator: x, y, x, y, … and the box around it. */
function project(ring) {
  const flat = new Float64Array(ring.length * 2);
  const box = [1, 1, 0, 0];
  ring.forEach(([longitude, latitude], index) => {
    const sine = Math.sin((Math.max(-MERCATOR_LATITUDE, Math.min(MERCATOR_LATITUDE, latitude)) * Math.PI) / 180);
    const [x, y] = [longitude / 360 + 0.5, 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)];
    flat.set([x, y], index * 2);
    box.splice(0, 4, Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x), Math.max(box[3], y));
  });
  return { flat, box };
}

const onEdge = (number) => number < 1e-6 || number > 1 - 1e-6;

const land = fetch(FILE)
  .then((answer) => answer.json())
  .then((topology) => topojson.feature(topology, topology.objects.land))
  .then((collection) => collection.features.flatMap(({ geometry }) => geometry.coordinates.map((rings) => rings.map(project))));

/** Draw polygons into a square of Web Mercator. */
function draw(context, polygons, { x, y, z }, size, colours) {
  const world = 2 ** z;
  const [left, top, margin] = [x / world, y / world, 2 / (size * world)];
  const across = ({ box }) => box[0] <= left + 1 / world + margin && box[2] >= left - margin && box[1] <= top + 1 / world + margin && box[3] >= top - margin;
  const seen = polygons.filter(([outer]) => across(outer)).flat();
  const [column, row] = [(px) => (px - left) * world * size, (py) => (py - top) * world * size];
  const [area, coast] = [new Path2D(), new Path2D()];
  for (const { flat } of seen) {
    for (let at = 0; at < flat.length; at += 2) {
      const [px, py] = [column(flat[at]), row(flat[at + 1])];
      const cut = at > 0 && ((onEdge(flat[at]) && onEdge(flat[at - 2])) || (onEdge(flat[at + 1]) && onEdge(flat[at - 1])));
      if (at === 0) area.moveTo(px, py);
      else area.lineTo(px, py);
      if (at === 0 || cut) coast.moveTo(px, py); // no coast where the map is cut
      else coast.lineTo(px, py);
    }
    area.closePath();
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
