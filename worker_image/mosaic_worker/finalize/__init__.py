"""From recorded tiles to published files."""
