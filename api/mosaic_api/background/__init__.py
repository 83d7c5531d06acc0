"""Loops that run for the life of a process."""
