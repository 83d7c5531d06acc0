"""The worker: computes a Cloud Optimized GeoTIFF, a picture and a STAC Item from a MosaicRequest."""
