// Boxes on the sphere and how a flat map sees them. A box is [west, south, east, north] in degrees; where it crosses the
// antimeridian, west is greater than east (RFC 7946), and on the map its east lies beyond 180 degrees.

const DIGITS = 6;
const rounded = (number) => Number(number.toFixed(DIGITS));

/** A longitude within [-180, 180]. */
export function wrapped(longitude) {
  return longitude >= -180 && longitude <= 180 ? longitude : ((((longitude + 180) % 360) + 360) % 360) - 180;
}

/** A box whose east is not west of its west: longitudes go on beyond 180. */
export const unwrapped = ([west, south, east, north]) => [west, south, west > east ? east + 360 : east, north];

/** The box of corners on a map that may have been moved around the world; all longitudes from 360 degrees on. */
export function boxOfCorners(west, south, east, north) {
  const latitudes = [Math.max(south, -90), Math.min(north, 90)].map(rounded);
  if (east - west >= 360) return [-180, latitudes[0], 180, latitudes[1]];
  return [rounded(wrapped(west)), latitudes[0], rounded(wrapped(east)), latitudes[1]];
}

/** The box as Leaflet's bounds, on that copy of the world whose middle is nearest to a longitude. */
export function boundsNear(box, longitude) {
  const [west, south, east, north] = unwrapped(box);
  const turn = 360 * Math.round((longitude - (west + east) / 2) / 360);
  return [[south, west + turn], [north, east + turn]];
}

/** Whether two boxes have a place in common, on whatever copies of the world. */
export function overlaps(one, other) {
  const [[west, south, east, north], [left, bottom, right, top]] = [unwrapped(one), unwrapped(other)];
  const turned = left + 360 * Math.ceil((west - right) / 360); // the first copy that does not end before the box begins
  return turned <= east && bottom <= north && top >= south;
}

/** Whether a place, on whatever copy of the world, lies in a box. */
export const holds = (box, latitude, longitude) => overlaps(box, [longitude, latitude, longitude, latitude]);

/** The GeoJSON polygon of a ring of {lat, lng} as it was drawn; neighbours may lie on both sides of the antimeridian. */
export function polygonOf(corners) {
  const ring = corners.map(({ lat, lng }) => [rounded(wrapped(lng)), rounded(Math.max(-90, Math.min(90, lat)))]);
  return { type: "Polygon", coordinates: [[...ring, ring[0]]] };
}

const rings = (geometry) => (geometry.type === "Polygon" ? geometry.coordinates : geometry.coordinates.flat());

/** The rings of a geometry with continuous longitudes: moved by 360 degrees where that makes it narrower. */
export function ringsOf(geometry) {
  const found = rings(geometry);
  const width = (all) => Math.max(...all) - Math.min(...all);
  const plain = found.flat().map(([longitude]) => longitude);
  const turned = (longitude) => (longitude < 0 ? longitude + 360 : longitude);
  if (width(plain) <= 180 || width(plain.map(turned)) >= width(plain)) return found;
  return found.map((ring) => ring.map(([longitude, latitude]) => [turned(longitude), latitude]));
}

/** The box of a GeoJSON Polygon or MultiPolygon. */
export function boxOfGeometry(geometry) {
  const places = ringsOf(geometry).flat();
  const [xs, ys] = [places.map(([x]) => x), places.map(([, y]) => y)];
  return boxOfCorners(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys));
}

/** The box of `spec.area`; null where there is none. */
export function boxOfArea(area) {
  if (!area) return null;
  return area.bbox ?? boxOfGeometry(area.geometry);
}
