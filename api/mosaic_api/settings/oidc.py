"""The settings of the OpenID provider."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

from mosaic_crds.errors import RequestError

from mosaic_api.database.models import ROLES
from mosaic_api.settings.environment import secret

ENV_OIDC_ISSUER = "MOSAIC_OIDC_ISSUER"
ENV_OIDC_CLIENT_ID = "MOSAIC_OIDC_CLIENT_ID"
ENV_OIDC_CLIENT_SECRET = "MOSAIC_OIDC_CLIENT_SECRET"  # noqa: S105
ENV_OIDC_SCOPES = "MOSAIC_OIDC_SCOPES"
ENV_OIDC_NAME_CLAIM = "MOSAIC_OIDC_NAME_CLAIM"
ENV_OIDC_ROLE_CLAIM = "MOSAIC_OIDC_ROLE_CLAIM"
ENV_OIDC_ROLES = "MOSAIC_OIDC_ROLES"
ENV_OIDC_DEFAULT_ROLE = "MOSAIC_OIDC_DEFAULT_ROLE"
NOBODY = "none"
"""The default role that refuses users without a group that has a role."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class Oidc:
    """The OpenID provider for logins.

    Attributes:
        issuer: its URL; `/.well-known/openid-configuration` below it has the rest.
        client_id, client_secret: of this installation; no secret for a public client.
        scopes: separated by blanks.
        name_claim: the claim with the name to show.
        role_claim: the claim with the groups (a list, or a single one).
        roles: by group; the highest counts. If there are any, each login sets the role again.
        default_role: of users without such a group; NOBODY refuses them.
    """

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scopes: str = "openid profile"
    name_claim: str = "preferred_username"
    role_claim: str = "groups"
    roles: Mapping[str, str] = field(default_factory=dict)
    default_role: str = "viewer"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self | None:
        """The provider in the environment; None if there is none.

        Raises:
            RequestError: a variable is missing or invalid.
        """
        issuer = environment.get(ENV_OIDC_ISSUER, "").rstrip("/")
        if not issuer:
            return None
        address = urlsplit(issuer)
        if address.scheme != "https" and address.hostname not in _LOOPBACK:
            raise RequestError(f"the environment variable {ENV_OIDC_ISSUER} is {issuer!r}; it must begin with https://")
        if not environment.get(ENV_OIDC_CLIENT_ID):
            raise RequestError(f"the environment variable {ENV_OIDC_CLIENT_ID} is not set, but {ENV_OIDC_ISSUER} is")
        default = environment.get(ENV_OIDC_DEFAULT_ROLE) or cls.default_role
        _expect_role(ENV_OIDC_DEFAULT_ROLE, default, (*ROLES, NOBODY))
        return cls(
            issuer=issuer,
            client_id=environment[ENV_OIDC_CLIENT_ID],
            client_secret=secret(environment, ENV_OIDC_CLIENT_SECRET),
            scopes=environment.get(ENV_OIDC_SCOPES) or cls.scopes,
            name_claim=environment.get(ENV_OIDC_NAME_CLAIM) or cls.name_claim,
            role_claim=environment.get(ENV_OIDC_ROLE_CLAIM) or cls.role_claim,
            roles=_roles(environment.get(ENV_OIDC_ROLES, "")),
            default_role=default,
        )


def _roles(text: str) -> dict[str, str]:
    """Parse `group=role, another=role`; a group may have any character but a comma."""
    roles = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        group, separator, role = pair.rpartition("=")
        _expect_role(ENV_OIDC_ROLES, role if separator else "", ROLES)
        roles[group.strip()] = role.strip()
    return roles


def _expect_role(variable: str, role: str, roles: tuple[str, ...]) -> None:
    if role.strip() not in roles:
        raise RequestError(
            f"the environment variable {variable} has the role {role!r}; it must be one of {', '.join(roles)}"
        )
