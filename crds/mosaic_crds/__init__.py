"""The contract between the parts of mosaic-operator: the MosaicRequest, its names, its errors."""
