"""The central installation, the same program: datasets shared with it and fetched from it, mosaics asked of it."""
