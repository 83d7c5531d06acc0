"""Installations of the API, their clients and the servers around them."""
