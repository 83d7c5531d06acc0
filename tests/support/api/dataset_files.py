"""Files of datasets, valid and malicious, made for tests."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import rasterio
import shapely
from PIL import Image
from rasterio.crs import CRS
from rasterio.shutil import copy
from rasterio.transform import from_bounds, from_origin

ORIGIN = (600_000, 5_720_000)
"""Upper left corner of test images, in UTM zone 9 north."""


def geotiff(
    values: np.ndarray | None = None,
    crs: str | None = "EPSG:32609",
    transform: rasterio.Affine | None = None,
    **profile: Any,
) -> bytes:
    """An image, by default 300 x 200 pixels of 10 m with 0, 1, 2, … and no data in a corner."""
    if values is None:
        values = np.arange(60_000, dtype=np.float32).reshape(1, 200, 300)
        values[0, :20, :30] = -9999
        profile.setdefault("nodata", -9999)
    bands, height, width = values.shape
    made = {"driver": "GTiff", "count": bands, "height": height, "width": width, "dtype": values.dtype, "crs": crs}
    with rasterio.MemoryFile() as memory:
        with rasterio.open(
            memory, "w", transform=transform or from_origin(*ORIGIN, 10, 10), **(made | profile)
        ) as dataset:
            dataset.write(values)
        return memory.read()


def world(values: np.ndarray, west: float, south: float, east: float, north: float, crs: str = "EPSG:4326") -> bytes:
    """An image between two corners."""
    height, width = values.shape[1:]
    return geotiff(values, crs, from_bounds(west, south, east, north, width, height))


def jpeg2000(folder: Path) -> bytes:
    values = np.arange(40_000, dtype=np.uint16).reshape(1, 200, 200)
    with rasterio.MemoryFile(geotiff(values)) as memory, memory.open() as dataset:
        copy(dataset, folder / "made.jp2", driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES")
    return (folder / "made.jp2").read_bytes()


def picture(width: int = 64, height: int = 32, kind: str = "PNG") -> bytes:
    """A picture without georeference: red in its left half, blue in its right half."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = pixels[:, width // 2 :, 2] = 255
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, kind, quality=95)
    return content.getvalue()


def feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": shapely.geometry.mapping(geometry)}


def geojson(*features: dict[str, Any]) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def vectors(path: Path, driver: str, crs: str = "EPSG:32609", layer: str = "lakes", append: bool = False) -> Path:
    """A file with two polygons. The first has a name and no depth, and the second a depth and no name."""
    x, y = ORIGIN
    shapes = [shapely.box(x, y - 1000, x + 1000, y), shapely.box(x + 2000, y - 1000, x + 3000, y)]
    if CRS.from_string(crs).is_geographic:
        shapes = [shapely.box(-127.5, 51.0, -127.4, 51.1), shapely.box(-127.3, 51.0, -127.2, 51.1)]
    pyogrio.raw.write(
        path,
        shapely.to_wkb(shapes),
        [np.array(["Élan", None], object), np.array([np.nan, 12.5])],
        ["name", "depth"],
        driver=driver,
        layer=layer,
        crs=crs,
        geometry_type="Polygon",
        encoding="UTF-8",
        append=append,
    )
    return path


def shapefile(folder: Path, without: str = "") -> bytes:
    """A zipped Shapefile."""
    folder.mkdir(exist_ok=True)
    vectors(folder / "lakes.shp", "ESRI Shapefile")
    return zipped({path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != without})


def zipped(members: dict[str, bytes], links: tuple[str, ...] = ()) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            if name in links:
                member.external_attr = 0o120777 << 16
            archive.writestr(member, text)
    return content.getvalue()
