"""A request at the limits of the contract: 500 scenes with signed URLs, and a polygon of 10,000 positions."""

import base64
import math
import random
from typing import Any

from mosaic_crds.area import MOST_POSITIONS
from mosaic_crds.names import API_VERSION

SCENES = 500
BANDS = ("red", "green", "blue", "nir")
SIGNATURE_BYTES = 222
"""Random text, which does not compress."""


def largest_request(address: str = "https://example.org", place: tuple[float, float] = (15, 45)) -> dict[str, Any]:
    """A MosaicRequest of almost 1 MiB.

    Args:
        address: Address of a server with images at /0/green.tif and so on.
        place: Longitude and latitude of the centre of its area, which is 1.5 km wide.
    """
    scenes = [
        {"bands": {band: {"href": f"{address}/{number}/{band}.tif?sig={_signature(number, band)}"} for band in BANDS}}
        for number in range(SCENES)
    ]
    return {
        "apiVersion": API_VERSION,
        "kind": "MosaicRequest",
        "metadata": {"name": "largest", "namespace": "team", "uid": "0b5c8f0e-6a54-4c93-8f0e-0b5c8f0e6a54"},
        "spec": {
            "area": {"geometry": circle(MOST_POSITIONS, *place)},
            "source": {"files": {"scenes": scenes}},
            "product": {"bands": ["green"]},
        },
    }


def circle(positions: int, longitude: float, latitude: float, radius: float = 0.007) -> dict[str, Any]:
    """A polygon with this number of positions, in degrees."""
    angles = [2 * math.pi * number / (positions - 1) for number in range(positions - 1)]
    ring = [[round(longitude + radius * math.cos(a), 10), round(latitude + radius * math.sin(a), 10)] for a in angles]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


def _signature(number: int, band: str) -> str:
    return base64.urlsafe_b64encode(random.Random(f"{number} {band}").randbytes(SIGNATURE_BYTES)).decode()
