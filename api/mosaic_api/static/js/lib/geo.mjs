// Geometry in degrees. A box is [west, south, east, north]; where it crosses the antimeridian, west is greater than east
// (RFC 7946), and on the map its east is beyond 180 degrees.

/**
 * @typedef {[number, number, number, number]} Box
 * @typedef {Schemas["Geometry"]} Geometry
 * @typedef {Schemas["Area"]} Area
 */

const DIGITS = 6;
/** @param {number} number */
const rounded = (number) => Number(number.toFixed(DIGITS));

/** A longitude within [-180, 180]. @param {number} longitude */
export function wrapped(longitude) {
  return longitude >= -180 && longitude <= 180 ? longitude : ((((longitude + 180) % 360) + 360) % 360) - 180;
}

/** A box whose longitudes continue beyond 180, so that its east is not less than its west. @param {Box} box @returns {Box} */
export const unwrapped = ([west, south, east, north]) => [west, south, west > east ? east + 360 : east, north];

/**
 * The box of corners on any copy of the world; all longitudes if they span 360 degrees or more.
 * @param {number} west
 * @param {number} south
 * @param {number} east
 * @param {number} north
 * @returns {Box}
 */
export function boxOfCorners(west, south, east, north) {
  const [bottom, top] = [Math.max(south, -90), Math.min(north, 90)].map(rounded);
  if (east - west >= 360) return [-180, bottom, 180, top];
  return [rounded(wrapped(west)), bottom, rounded(wrapped(east)), top];
}

/**
 * The box as Leaflet's bounds, on the copy of the world that is nearest to a longitude.
 * @param {Box} box
 * @param {number} longitude
 * @returns {[[number, number], [number, number]]}
 */
export function boundsNear(box, longitude) {
  const [west, south, east, north] = unwrapped(box);
  const turn = 360 * Math.round((longitude - (west + east) / 2) / 360);
  return [[south, west + turn], [north, east + turn]];
}

/** Whether two boxes intersect, on any copies of the world. @param {Box} one @param {Box} other */
export function overlaps(one, other) {
  const [[west, south, east, north], [left, bottom, right, top]] = [unwrapped(one), unwrapped(other)];
  const turned = left + 360 * Math.ceil((west - right) / 360); // the first copy that does not end before the box begins
  return turned <= east && bottom <= north && top >= south;
}

/** Whether a box contains a point, on any copy of the world. @param {Box} box @param {number} latitude @param {number} longitude */
export const contains = (box, latitude, longitude) => overlaps(box, [longitude, latitude, longitude, latitude]);

/**
 * The GeoJSON polygon of a drawn ring, whose neighbours may be on both sides of the antimeridian.
 * @param {{lat: number, lng: number}[]} vertices
 * @returns {Geometry}
 */
export function polygonOf(vertices) {
  const ring = vertices.map(({ lat, lng }) => [rounded(wrapped(lng)), rounded(Math.max(-90, Math.min(90, lat)))]);
  return { type: "Polygon", coordinates: [[...ring, ring[0]]] };
}

/**
 * The rings of a geometry with continuous longitudes: shifted by 360 degrees where that makes it narrower.
 * @param {Geometry} geometry
 * @returns {number[][][]}
 */
export function ringsOf(geometry) {
  const found = /** @type {number[][][]} */ (geometry.type === "Polygon" ? geometry.coordinates : geometry.coordinates.flat());
  const width = (/** @type {number[]} */ all) => Math.max(...all) - Math.min(...all);
  const plain = found.flat().map(([longitude]) => longitude);
  const turned = (/** @type {number} */ longitude) => (longitude < 0 ? longitude + 360 : longitude);
  if (width(plain) <= 180 || width(plain.map(turned)) >= width(plain)) return found;
  return found.map((ring) => ring.map(([longitude, latitude]) => [turned(longitude), latitude]));
}

/** The box of a GeoJSON Polygon or MultiPolygon. @param {Geometry} geometry */
export function boxOfGeometry(geometry) {
  const vertices = ringsOf(geometry).flat();
  const [xs, ys] = [vertices.map(([x]) => x), vertices.map(([, y]) => y)];
  return boxOfCorners(Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys));
}

/** The box of `spec.area`; null without an area. @param {Area | null | undefined} area @returns {Box | null} */
export function boxOfArea(area) {
  if (area?.bbox) return /** @type {Box} */ (area.bbox);
  return area?.geometry ? boxOfGeometry(area.geometry) : null;
}
