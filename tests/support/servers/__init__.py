"""Servers that tests start on this machine, and proxies that make them fail."""
