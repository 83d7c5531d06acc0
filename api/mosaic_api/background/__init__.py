"""Loops that run for the life of a process, and the maintenance that they do."""
