"""The plan: all decisions about a mosaic, before any pixel is read."""
