"""The research system's table `overlays`: its rows become requests, and published mosaics fill them in."""
