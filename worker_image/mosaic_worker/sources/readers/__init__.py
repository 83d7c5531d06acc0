"""Opens and reads raster files and documents."""
