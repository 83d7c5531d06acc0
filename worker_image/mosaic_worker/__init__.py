"""Pixels: from a MosaicRequest to a Cloud Optimized GeoTIFF, a picture and a STAC Item."""
