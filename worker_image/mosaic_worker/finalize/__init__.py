"""Assembles and publishes the files of a mosaic from its tiles."""
