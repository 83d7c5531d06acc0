"""Run compose.yaml on a real Docker engine, with scenes that its workers can read."""

import os
import secrets
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest

from support.compose.stack import HOST, SceneHandler, Scenes, Stack
from support.scenes.rasters import noise, write_raster
from support.servers.range_server import serving_by

SIDE = 1024
"""Side of a scene in pixels."""


@pytest.fixture(scope="session")
def engine() -> None:
    """Skip with a message if no Docker engine was started for these tests."""
    if os.environ.get("MOSAIC_COMPOSE_ENGINE") != "1":
        pytest.skip("make compose-test starts the Docker engine that these tests need")


@pytest.fixture(scope="session")
def scenes(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenes]:
    made = Scenes(tmp_path_factory.mktemp("scenes"))
    values = np.stack([noise(SIDE, SIDE, number) for number in range(2)])
    blocks = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"}
    write_raster(made.folder / "scene.tif", values, **blocks)
    with serving_by(partial(SceneHandler, directory=str(made.folder), scenes=made), HOST) as made.address:
        yield made


@pytest.fixture(scope="session")
def stack(scenes: Scenes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("secrets")
    for name in ("database-password", "session-secret"):
        (folder / name).write_text(secrets.token_hex(32) + "\n")
    made = Stack({"MOSAIC_SECRETS": str(folder), "MOSAIC_ALLOWED_HOSTS": scenes.address})
    try:
        made.up()
        create = "mosaic token create --user ada --role admin --scope admin"
        output = made.compose("exec", "--no-TTY", "api", *create.split())
        made.secret = next(word for word in output.split() if word.startswith("mosaic_"))
        yield made
    finally:
        print(made.compose("logs", "--no-color", "--tail", "200"))  # noqa: T201 (shown where a test fails)
        made.compose("down", "--volumes", "--timeout", "10")
