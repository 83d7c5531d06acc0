"""STAC Items as scenes: their bands, masks, calibration, times and footprints."""
