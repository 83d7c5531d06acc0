"""`python -m mosaic_worker.local`: a fork server of worker processes, for a process that cannot fork one itself."""

from mosaic_worker.local.fork_server import serve_standard_input
from mosaic_worker.local.processes import work_until_killed
from mosaic_worker.local.run import run

__all__ = ["run"]  # what it imports is what workers need

if __name__ == "__main__":
    serve_standard_input(work_until_killed)
