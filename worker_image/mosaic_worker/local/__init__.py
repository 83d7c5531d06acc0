"""Runs a request on one machine."""
