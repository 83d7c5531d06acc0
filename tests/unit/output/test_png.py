"""PNG files assembled from strips contain the input pixels and open in another library."""

import io

import numpy as np
import pytest
from mosaic_worker.output.png import Strip, png
from PIL import Image

PALETTE = bytes(range(256)) * 3


def opened(pixels, rows, palette):
    strips = (Strip(pixels[top : top + rows]) for top in range(0, len(pixels), rows))
    return Image.open(io.BytesIO(b"".join(png(pixels.shape[1], pixels.shape[0], palette, strips))))


@pytest.mark.parametrize(("height", "rows"), [(1, 1), (100, 100), (100, 37), (513, 512)])
def test_a_palette_picture_is_the_same_for_any_strips(height, rows):
    pixels = np.random.default_rng(0).integers(0, 256, (height, 77, 1), np.uint8)
    image = opened(pixels, rows, PALETTE)
    assert (image.mode, image.info["transparency"]) == ("P", 0)
    assert bytes(image.getpalette()) == PALETTE
    assert np.array_equal(np.asarray(image), pixels[:, :, 0])


def test_a_colour_picture_keeps_its_transparency():
    pixels = np.random.default_rng(1).integers(0, 256, (130, 77, 4), np.uint8)
    image = opened(pixels, 50, None)
    assert image.mode == "RGBA"
    assert np.array_equal(np.asarray(image), pixels)
