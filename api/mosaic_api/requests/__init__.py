"""Requests: their rows, estimates, and what other users see of them."""
