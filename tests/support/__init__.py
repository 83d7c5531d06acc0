"""Helpers that tests share: servers, fake clusters, scenes. This package contains no tests."""
