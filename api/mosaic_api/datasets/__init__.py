"""Datasets: what people keep beside mosaics. Images, vector files and points: taken in, found, shown and shared."""
