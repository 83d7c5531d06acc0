"""The sandboxed process that reads an uploaded file: limited memory, time and disk, no network, no secrets.

Large libraries read the files. If one crashes on a malicious file, only this process ends.
"""

import fcntl
import os
import resource
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path

from mosaic_crds.errors import RequestError
from mosaic_worker.isolation import Rules, code_files, seal

from mosaic_api.datasets.boxes import Box
from mosaic_api.datasets.reader.formats import FORMATS
from mosaic_api.datasets.reader.job import ENV_JOB, Job, Outcome, ReaderReply

_DRIVERS = {"ESRI Shapefile", "GPKG", "GeoJSON", "GPX", "KML", "LIBKML", "MEM"}
"""For vector formats. GDAL gets no other drivers, such as those that read other files or servers."""
_SKIPPED = "GDAL_SKIP"


def main() -> None:
    """Run the job in the environment."""
    _end_with_server()
    job = Job.model_validate_json(os.environ[ENV_JOB])
    kind = next(each for each in FORMATS if each.name == job.format)
    if kind.kind == "vector" and _SKIPPED not in os.environ:
        _restart()
    seal(rules_of(job))
    too_large: list[int] = []
    signal.signal(signal.SIGXFSZ, lambda number, _: too_large.append(number))  # a file reached the maximum size
    _limit(job)
    try:
        reply = ReaderReply(outcome=_read(job))
    except RequestError as error:
        reply = ReaderReply(error=str(error).replace(job.path, "it"))
    except MemoryError:
        reply = ReaderReply(error="file: reading it needs more memory than is allowed; split it")
    except Exception as error:
        if not too_large and not _is_of_gdal(error):
            raise
        reply = ReaderReply(error="file: it is damaged or incomplete, or needs more memory than is allowed")
    if reply.outcome is None and too_large:
        reply = ReaderReply(error=f"file: its display copy exceeds the remaining {job.bytes // 2**20} MiB")
    Path(job.outcome).write_text(reply.model_dump_json())


def _is_of_gdal(error: Exception) -> bool:
    """Whether GDAL raised it, as it does for damaged files."""
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    return isinstance(error, CPLE_BaseError | RasterioError)


def _end_with_server() -> None:
    """Let the kernel end this process when its server closes the pipe at the standard input, also by dying.

    A signal does this, because a thread would wait for a library that never returns.
    """
    fcntl.fcntl(sys.stdin, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(sys.stdin, fcntl.F_SETFL, fcntl.fcntl(sys.stdin, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([sys.stdin], [], [], 0)[0]:  # the server has died before
        os._exit(1)


def rules_of(job: Job) -> Rules:
    """The files that the process may access: the code, the input, and the folders of its results."""
    made = [job.outcome, *([job.display] if job.display else [])]
    return Rules([*code_files(os.environ), Path(job.path)], [Path(path).parent for path in made])


def _restart() -> None:
    """Restart with drivers skipped: GDAL only reads the list when it is loaded."""
    from pyogrio import list_drivers

    skipped = ",".join(driver for driver in list_drivers() if driver not in _DRIVERS)
    environment = os.environ | {_SKIPPED: skipped}
    os.execve(sys.executable, [sys.executable, "-P", "-m", "mosaic_api.datasets.reader"], environment)  # noqa: S606


def _limit(job: Job) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (job.seconds, job.seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (job.bytes, job.bytes))
    with suppress(ValueError, OSError):  # macOS does not bound it
        resource.setrlimit(resource.RLIMIT_AS, (job.memory, job.memory))


def _read(job: Job) -> Outcome:
    kind = next(each for each in FORMATS if each.name == job.format)
    if kind.kind == "vector" and job.area:
        from mosaic_api.datasets.reader.areas import take_area

        return take_area(Path(job.path), job.name, kind)
    if kind.kind == "vector":
        from mosaic_api.datasets.reader.vectors import take_vectors

        return take_vectors(Path(job.path), job.name, kind, Path(job.display or os.devnull))
    from mosaic_api.datasets.reader.images import take_image
    from mosaic_api.datasets.reader.plain_images import take_picture

    if kind.placed:
        if job.corners is None or job.display is None:
            raise ValueError("a picture needs corners")
        return take_picture(job.path, kind.driver, Box(*job.corners), job.display)
    return take_image(job.path, job.max_pixels, job.decoded, job.display)


if __name__ == "__main__":
    main()
