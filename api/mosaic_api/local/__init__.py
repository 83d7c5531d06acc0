"""`mosaic serve`: an installation on one machine."""
