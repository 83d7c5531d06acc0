"""The central installation: datasets shared with it and fetched from it, and mosaics requested there."""
