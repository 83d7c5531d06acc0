"""What is shown of mosaics: tiles, values and legends of published ones, pictures of those that are being made."""
