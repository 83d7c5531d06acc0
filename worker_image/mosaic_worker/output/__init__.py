"""The bytes of results: blocks, parts, the COG and the picture."""
