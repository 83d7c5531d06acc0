"""Chromium and the pages that it opens."""
