"""What a program imports when it starts: each heavy module costs every command and every pod its time."""

import subprocess
import sys

import pytest

PIXELS = {"numpy", "rasterio", "shapely", "PIL", "numexpr", "bottleneck", "cv2"}
SERVERS = {"fastapi", "uvicorn", "sqlalchemy", "alembic", "psycopg2", "kubernetes"}
CLIENTS = {"requests", "urllib3", "httpx2", "azure", "awscrt", "pystac", "pystac_client", "tenacity", "ssl"}
DETECTOR = {"lightgbm", "s2cloudless", "scipy"}
COMMAND = "import sys; from mosaic_worker.cli import main; sys.argv[0] = 'mosaic'; main()"
STARTS = {
    "the help": ([COMMAND, "--help"], PIXELS | SERVERS | CLIENTS | {"pydantic", "yaml", "rich"}),
    "the help of a command for servers": (
        [COMMAND, "get", "--help"],
        PIXELS | SERVERS | CLIENTS | {"pydantic", "rich"},
    ),
    "a call of a server": (
        [COMMAND, "get", "--server", "http://127.0.0.1:1"],
        PIXELS | SERVERS | CLIENTS - {"httpx2", "ssl"} | {"pydantic", "yaml", "rich"},
    ),
    "a pod": (["import mosaic_worker.__main__"], SERVERS | CLIENTS | {"PIL", "cmap", "rich", "numpy.random"}),
    "an executor": (
        ["import mosaic_api.executor.__main__"],
        CLIENTS - {"ssl"} | {"fastapi", "alembic", "uvicorn", "kubernetes", "jinja2", "authlib", "rich"},
    ),
    "finalize": (["import mosaic_worker.finalize.publishing"], SERVERS | CLIENTS | {"rich", "numpy.random", "yaml"}),
    "a run of listed files": (
        ["import mosaic_worker.cli.run_progress, mosaic_worker.cli.output, mosaic_worker.sources.kinds.files"],
        SERVERS | CLIENTS | {"PIL", "cmap", "numpy.random", "rich", "cv2", "asyncio"},
    ),
}


@pytest.mark.parametrize("start", STARTS)
def test_a_start_does_not_import(start: str):
    (code, *arguments), unwanted = STARTS[start]
    report = "import atexit, sys; atexit.register(lambda: print('\\n' + ' '.join(sys.modules)))\n"
    command = [sys.executable, "-P", "-c", report + code, *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    imported = set(ended.stdout.splitlines()[-1].split())
    assert "mosaic_worker" in imported
    assert not (unwanted | DETECTOR) & imported
