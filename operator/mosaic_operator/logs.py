"""The log: one JSON object per line, with the request that it is about."""

import logging

from pythonjsonlogger.json import JsonFormatter


def log_to_stderr(level: str) -> None:
    """Send the log of this program and of kopf to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        JsonFormatter(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("kopf", "aiohttp"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
