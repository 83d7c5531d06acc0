"""The parts of a mosaic as one image: what the picture is painted from while the COG is still being written."""

from collections.abc import Callable, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.tiling import Tile
from mosaic_worker.output.encoding import Encoding
from mosaic_worker.output.parts import LevelIndex


def virtual_mosaic(
    grid: Grid,
    encoding: Encoding,
    tiles: Sequence[Tile],
    parts: Sequence[Sequence[LevelIndex]],
    level: int,
    path_of: Callable[[int], str],
) -> str:
    """A level of the mosaic as a GDAL virtual dataset (VRT, in XML), whose pixels are in the parts.

    Args:
        grid: the mosaic's pixels.
        encoding: how they are stored.
        tiles: all tiles.
        parts: where the levels of each tile are in its part.
        level: which level of the parts; 0 for full size.
        path_of: gives the path by which GDAL reads a tile's part, by the tile's index.
    """
    reduced = grid.reduced(1 << level)
    dataset = Element("VRTDataset", rasterXSize=str(reduced.width), rasterYSize=str(reduced.height))
    for number, scale in enumerate(encoding.scales, 1):
        kind = {"float32": "Float32", "int16": "Int16"}[encoding.dtype]
        band = SubElement(dataset, "VRTRasterBand", dataType=kind, band=str(number))
        SubElement(band, "NoDataValue").text = str(encoding.nodata)
        SubElement(band, "Scale").text = repr(scale)
        for tile in tiles:
            index = parts[tile.index][level]
            size = {"xSize": str(index.width), "ySize": str(index.height)}
            source = SubElement(band, "SimpleSource")
            path = f"/vsisubfile/{index.start}_{index.stop - index.start},{path_of(tile.index)}"
            SubElement(source, "SourceFilename", relativeToVRT="0").text = path
            SubElement(source, "SourceBand").text = str(number)
            properties = {"RasterXSize": size["xSize"], "RasterYSize": size["ySize"], "DataType": kind}
            block = {"BlockXSize": str(encoding.block), "BlockYSize": str(encoding.block)}
            SubElement(source, "SourceProperties", properties | block)
            SubElement(source, "SrcRect", {"xOff": "0", "yOff": "0"} | size)
            place = {"xOff": str(tile.x >> level), "yOff": str(tile.y >> level)}
            SubElement(source, "DstRect", place | size)
    return tostring(dataset, encoding="unicode")
