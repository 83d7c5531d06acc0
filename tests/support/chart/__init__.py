"""Rendered objects of the chart."""
