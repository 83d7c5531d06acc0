"""STAC Items as scenes: bands, masks, calibration, times and footprints."""
