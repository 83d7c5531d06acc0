"""What the map shows of mosaics: tiles, values and legends of published ones, previews of running requests."""
