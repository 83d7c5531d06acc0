"""Computes and records ranges of tiles."""
