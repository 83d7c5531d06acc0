"""The log: one JSON object a line, with the request it is about."""

import logging

from pythonjsonlogger.json import JsonFormatter


def log_to_stderr(level: str) -> None:
    """Write what this program and kopf say to the standard error stream."""
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
