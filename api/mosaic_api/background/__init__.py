"""Background loops, which run as long as the process."""
