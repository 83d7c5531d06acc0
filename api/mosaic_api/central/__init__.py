"""The central installation, the same program: entries shared with it and fetched from it, mosaics asked of it."""
