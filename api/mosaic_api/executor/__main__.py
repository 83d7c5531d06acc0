"""`python -m mosaic_api.executor`: an executor in a container, configured by environment variables."""

import logging
import os
import signal
import sys

from mosaic_crds.errors import MosaicError, RequestError
from mosaic_crds.reports import guarded
from mosaic_worker.memory import importing

with importing():
    from mosaic_api.database import Database
    from mosaic_api.executor.executor import Executor
    from mosaic_api.settings import ENV_CLUSTER, Settings
    from mosaic_api.settings.secrets import guard_secrets, log_isolation


def main() -> int:
    """Run until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        settings = Settings.from_environment(guard_secrets(os.environ))
        if settings.cluster:
            raise RequestError(f"{ENV_CLUSTER} is true: with a cluster, the operator processes requests, not executors")
        log_isolation()
        executor = Executor(settings, Database(settings.database))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: executor.stop())
        executor.run()
    except MosaicError as error:
        print(f"mosaic_api.executor: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(guarded("mosaic_api.executor", main))
