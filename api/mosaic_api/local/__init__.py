"""`mosaic serve`: a whole installation on one machine."""
