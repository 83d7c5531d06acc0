"""HTTP: sessions, retries, signatures, and files that are read in ranges."""
