"""Ranges of tiles, computed and recorded."""
