// The file formats that the server reads: as a hint, and as file name extensions for the browser's file dialog.

const VECTORS = "GeoJSON (also one feature per line), GeoPackage, zipped Shapefile or GeoPackage, KML, KMZ, GPX, or CSV with coordinates";

/** @type {Record<string, string>} */
export const FORMATS = {
  image: "GeoTIFF, COG or JPEG 2000 (georeferenced), or PNG or JPEG with its extent.",
  vector: `${VECTORS}.`,
  area: `Uses the polygons in the file: ${VECTORS}.`,
};
/** @type {Record<string, string>} */
export const EXTENSIONS = {
  image: ".tif,.tiff,.jp2,.png,.jpg,.jpeg",
  vector: ".geojson,.json,.geojsonl,.geojsons,.ndjson,.jsonl,.gpkg,.zip,.kml,.kmz,.gpx,.csv,.tsv,.txt",
};
