"""The plan: everything about a mosaic that is decided once, before any pixel is read."""
