"""Rasters, STAC Items and requests about them."""
