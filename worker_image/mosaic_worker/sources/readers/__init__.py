"""Raster files and the documents beside them, opened and read."""
