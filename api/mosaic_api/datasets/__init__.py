"""Datasets: images, vector files and points that users upload, find, show and share."""
