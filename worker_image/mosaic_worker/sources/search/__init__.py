"""Searches in STAC APIs."""
