"""Chromium, and the pages it opens."""
