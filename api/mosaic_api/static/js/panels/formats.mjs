// Which files are taken: as hints say it, and the ends of their names, for the browser's list of files.

const VECTORS = "GeoJSON (also one feature a line), GeoPackage, zipped Shapefile or GeoPackage, KML, KMZ, GPX, or CSV with coordinates";

export const SAYS = {
  image: "GeoTIFF, COG or JPEG 2000 that knows where it lies; or an ordinary PNG or JPEG, which you place.",
  vector: `${VECTORS}.`,
  area: `The polygons in it are the area: ${VECTORS}.`,
};
export const ENDS = {
  image: ".tif,.tiff,.jp2,.png,.jpg,.jpeg",
  vector: ".geojson,.json,.geojsonl,.geojsons,.ndjson,.jsonl,.gpkg,.zip,.kml,.kmz,.gpx,.csv,.tsv,.txt",
};
