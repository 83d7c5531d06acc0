"""Make the picture and the table of docs/guides/methods.md: every composite method on the same area.

python docs/methods.py FOLDER, where FOLDER has five Sentinel-2 scenes of tile 33TWL, each a folder with a STAC Item.
Prints the table, and writes docs/images/methods.png.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from mosaic_crds.composite import METHODS
from mosaic_crds.names import API_VERSION
from mosaic_crds.validation import load_request
from mosaic_worker.local.run import run
from mosaic_worker.sources.access.gate import own_machine
from PIL import Image, ImageDraw, ImageFont
from tables import row, table

AREA = [15.3, 45.5, 15.8, 45.8]
PICTURE = Path(__file__).parent / "images" / "methods.png"
COLUMNS, SIDE, LABEL = 4, 240, 22
CLOUD = 0.05
"""A pixel is taken as cloud if its blue is so much brighter than the masked median, reflectance."""


def mosaic(folder: Path, items: list[Path], composite: dict[str, Any], name: str) -> Path:
    """The folder of a true-colour mosaic."""
    spec = {
        "area": {"bbox": AREA},
        "source": {"files": {"scenes": [{"item": str(item)} for item in items]}},
        "product": {"bands": ["red", "green", "blue"]},
        "composite": composite,
        "grid": {"crs": "source"},
    }
    request = load_request(
        {"apiVersion": API_VERSION, "kind": "MosaicRequest", "metadata": {"name": name}, "spec": spec}
    )
    result = run(request, own_machine(folder), str(folder / "store"), workers=1)
    return folder / "store" / result.folder


def main(imagery: Path) -> None:
    """Make all mosaics, the picture and the table."""
    items = sorted(imagery.glob("S2*_33TWL_*/S2*.json"))
    masks = {"mask": ["cloud", "shadow", "cirrus"]}
    panels, lines = [], [table("method", "cloud without masks", "difference with masks")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        clear = bands(mosaic(folder, items, {"method": "median"} | masks, "reference"))
        for method, info in METHODS.items():
            composite = {"method": method} | ({"percentile": 25} if method == "percentile" else {})
            made = mosaic(folder, items, composite, method.lower())
            masked = bands(mosaic(folder, items, composite | masks, f"{method.lower()}-masked"))
            cloud = np.mean(bands(made)[2] - clear[2] > CLOUD)
            lines.append(row(f"`{method}`", f"{cloud:.1%}", f"{np.nanmean(np.abs(masked - clear)):.4f}"))
            panels.append((info.title, picture(made)))
    sheet(panels).quantize(256).save(PICTURE, optimize=True)
    sys.stdout.write("".join(lines))


def bands(folder: Path) -> np.ndarray:
    """The bands of a mosaic, float32 (bands, height, width)."""
    with rasterio.open(folder / "mosaic.tif") as dataset:
        return dataset.read().astype(np.float32)


def picture(folder: Path) -> Image.Image:
    """The coloured picture of a mosaic, without its transparent corners."""
    found = Image.open(folder / "mosaic.png").convert("RGB")
    edge = min(found.size) // 12
    inner = found.crop((edge, edge, found.width - edge, found.height - edge))
    return inner.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def sheet(panels: list[tuple[str, Image.Image]]) -> Image.Image:
    """All pictures with their titles."""
    rows = -(-len(panels) // COLUMNS)
    made = Image.new("RGB", (COLUMNS * (SIDE + 6), rows * (SIDE + LABEL + 6)), "white")
    draw, font = ImageDraw.Draw(made), ImageFont.load_default(14)
    for place, (title, panel) in enumerate(panels):
        x, y = place % COLUMNS * (SIDE + 6) + 3, place // COLUMNS * (SIDE + LABEL + 6)
        draw.text((x, y + 3), title, "black", font)
        made.paste(panel, (x, y + LABEL))
    return made


if __name__ == "__main__":
    main(Path(sys.argv[1]))
