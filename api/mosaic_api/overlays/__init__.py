"""The research system's table `overlays`: its rows become requests, and get the paths of published mosaics."""
