"""Rasters, STAC Items and requests for tests."""
