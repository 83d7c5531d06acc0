"""Scenes: found, opened and read."""
