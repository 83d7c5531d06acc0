"""The `mosaic` command as a user runs it: start, interrupt, resume."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from mosaic_crds.names import API_VERSION
from mosaic_worker.cli import SECTIONS, SHORT_HELP

from support.scenes.rasters import noise, write_raster

MOSAIC = Path(sys.executable).parent / "mosaic"


def mosaic(*arguments: object, **how: object) -> subprocess.CompletedProcess[str]:
    command = [str(MOSAIC), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **how)


def wait_until(holds: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.005)  # polling interval; the loop has a deadline


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    for number, name in enumerate(("green", "swir16")):
        write_raster(tmp_path / f"{name}.tif", noise(4096, 3072, number), tiled=True)
    request = {
        "apiVersion": API_VERSION,
        "kind": "MosaicRequest",
        "metadata": {"name": "ndsi"},
        "spec": {
            "source": {"files": {"scenes": [{"bands": {"green": "green.tif", "swir16": "swir16.tif"}}]}},
            "product": {"index": "NDSI"},
        },
    }
    path = tmp_path / "request.yaml"
    path.write_text(yaml.safe_dump(request))
    return path


def results(store: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in store.glob("mosaics/default/ndsi/*/*") if file.suffix != ".json"}


SWALLOWING = """
import os, signal, time
from mosaic_worker.cli.interrupts import keep_interrupts

class Callback:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0)

keep_interrupts()
try:
    Callback()
    time.sleep(30)
except KeyboardInterrupt:
    print("heard")
"""


SLOW_TIMER = """
import signal, time

set_timer, slow = signal.setitimer, [time.sleep]

def set_slowly(timer, seconds):
    set_timer(timer, seconds)
    if slow:
        slow.pop()(3 * seconds)  # the machine is busy, and the time is over before this function returns

signal.setitimer = set_slowly
"""


@pytest.mark.parametrize("before", ["", SLOW_TIMER], ids=["idle", "busy"])
def test_repeats_an_interrupt_that_python_swallows(before):
    process = subprocess.run([sys.executable, "-c", before + SWALLOWING], capture_output=True, text=True, check=True)
    assert (process.stdout, process.stderr) == ("heard\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_resumes(request_file, tmp_path, how):
    store = tmp_path / "store"
    command = [str(MOSAIC), "run", str(request_file), "--store", str(store), "--workers", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as running:
        wait_until(lambda: len(list(store.glob("work/*/records/*/*.json"))) >= 2)
        os.killpg(running.pid, how)
        output = running.stderr.read()
        code = running.wait()
    if how == signal.SIGINT:
        assert code == 130
        assert output.endswith("mosaic: interrupted; run the same command to resume\n")
        assert "Traceback" not in output
    assert not (store / "mosaics").exists()
    kept = {file: file.stat().st_mtime_ns for file in store.glob("work/*/records/*/*.json")}
    assert kept

    again = mosaic("run", request_file, "--store", store, "--workers", "2")
    assert again.returncode == 0
    assert f"tiles of an earlier run: {len(kept)}\n" in again.stderr
    assert not list(store.glob("work/*"))
    assert not list((store / ".unfinished").glob("*")) or how == signal.SIGKILL

    whole = mosaic("run", request_file, "--store", tmp_path / "other")
    assert whole.returncode == 0
    assert results(store) == results(tmp_path / "other")


@pytest.mark.slow
def test_fresh_computes_again_and_a_plain_run_does_not(request_file, tmp_path):
    first = mosaic("run", request_file, cwd=tmp_path)
    assert first.returncode == 0
    cog = next((tmp_path / "mosaic-store").glob("mosaics/*/*/*/mosaic.tif"))
    assert str(cog.relative_to(tmp_path)) in first.stdout
    made, content = cog.stat().st_mtime_ns, cog.read_bytes()
    again = mosaic("run", request_file, cwd=tmp_path)
    assert "already exists" in again.stdout
    assert cog.stat().st_mtime_ns == made
    assert mosaic("run", request_file, "--fresh", cwd=tmp_path).returncode == 0
    assert cog.stat().st_mtime_ns > made
    assert cog.read_bytes() == content


@pytest.mark.slow
def test_validate_and_estimate_describe_the_mosaic(request_file):
    valid = mosaic("validate", request_file)
    assert (valid.returncode, valid.stdout) == (0, f"{request_file} is valid: NDSI from green, swir16\n")
    planned = mosaic("estimate", request_file)
    assert planned.returncode == 0
    assert "3,072 x 4,096 pixels at 10 in EPSG:32633" in planned.stdout
    assert "12 in " in planned.stdout


@pytest.mark.slow
def test_indices_are_listed_and_explained():
    listed = mosaic("indices").stdout.splitlines()
    assert len(listed) == 280
    assert any(line.startswith("NDVI ") for line in listed)
    explained = mosaic("indices", "evi").stdout
    for piece in ("Enhanced Vegetation Index", "nir, red, blue", "C1", "https://doi.org/"):
        assert piece in explained
    unknown = mosaic("indices", "NDVY")
    assert (unknown.returncode, unknown.stdout) == (42, "")
    assert unknown.stderr.startswith("mosaic: ")


def test_writes_sample_scenes_to_the_given_folder(tmp_path):
    made = mosaic("sample-scene", tmp_path / "scenes", "--side", 128, "--count", 2, "--safe")
    assert made.returncode == 0
    written = [f"S2_SYNTHETIC_{n}{what}" for n in (1, 2) for what in ("/item.json", ".SAFE.zip")]
    assert made.stdout.splitlines() == [str(tmp_path / "scenes" / name) for name in written]
    assert (tmp_path / "scenes/S2_SYNTHETIC_2.SAFE.zip").exists()
    assert (tmp_path / "scenes/S2_SYNTHETIC_2/B11.jp2").exists()


def test_prints_the_version():
    assert mosaic("--version").stdout.startswith("mosaic, version 0.")


def test_the_help_groups_the_commands_and_truncates_no_line():
    helped = mosaic("--help", env=os.environ | {"COLUMNS": "80"}).stdout
    assert [line for line in helped.splitlines() if line.endswith(":") and not line.startswith(" ")] == [
        "Options:",
        "Local:",
        "Server:",
        "Tools:",
    ]
    commands = re.findall(
        r"^  ([a-z]+(?:-[a-z]+)*) +(.+)$", helped.split("Local:")[1].split("Examples:")[0], re.MULTILINE
    )
    assert [name for name, _ in commands] == [name for section in SECTIONS.values() for name in section]
    assert all(len(text) <= SHORT_HELP and text.endswith(".") and "..." not in text for _, text in commands)
    assert max(map(len, helped.splitlines())) <= 80
    assert "docs/index.md" in helped
