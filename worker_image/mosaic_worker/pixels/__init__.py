"""Computes pixels: masks and composes scenes, and measures the result."""
