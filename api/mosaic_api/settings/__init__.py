"""The settings of an installation, read from its environment once and passed in."""

from mosaic_api.settings.installation import (
    ENV_CENTRAL_TOKEN,
    ENV_CENTRAL_URL,
    ENV_CLUSTER,
    ENV_DATABASE,
    SECRETS,
    Settings,
    database_if_named,
    database_of,
    origin_of,
)
from mosaic_api.settings.oidc import NOBODY, Oidc

__all__ = [
    "ENV_CENTRAL_TOKEN",
    "ENV_CENTRAL_URL",
    "ENV_CLUSTER",
    "ENV_DATABASE",
    "NOBODY",
    "SECRETS",
    "Oidc",
    "Settings",
    "database_if_named",
    "database_of",
    "origin_of",
]
