"""Grids, areas, projections, resampling and tiling."""
