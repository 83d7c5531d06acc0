"""The bytes of a result: blocks, parts, the COG, the picture and the Item."""
