"""Composite methods: how many scenes become one value per pixel."""
