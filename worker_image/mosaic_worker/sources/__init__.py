"""Where scenes come from: what a request names, resolved, opened and read."""
