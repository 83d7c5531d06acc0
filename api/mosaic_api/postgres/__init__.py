"""A private PostgreSQL server in a folder, so that a laptop needs no database of its own."""
