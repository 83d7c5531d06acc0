"""Where pixels lie: grids, areas, how images are brought onto a grid, and how a mosaic is cut into tiles."""
