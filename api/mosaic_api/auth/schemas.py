"""The REST schemas of users and tokens."""

import uuid
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field

from mosaic_api.database import Token as TokenRow
from mosaic_api.database import User as UserRow
from mosaic_api.web.schemas import INTEGRAL, ApiModel

Role = Literal["viewer", "editor", "admin"]


class TokenCreate(ApiModel):
    """A new token to create."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"label": "nightly mosaics", "scopes": ["write"], "days": 90}]}
    )

    label: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
    """A label to recognise it by."""
    scopes: list[Literal["read", "write", "admin"]] = Field(default=["write"], min_length=1, max_length=3)
    """Its scopes; each includes those before it, and none allows more than your role."""
    days: Annotated[int, Field(ge=1, le=3660, strict=True), INTEGRAL] | None = 365
    """The number of days until it expires; null for never."""


class Token(ApiModel):
    """A token, or a session of a browser."""

    id: uuid.UUID
    label: str
    scopes: list[str]
    """Its scopes; `session` is a session of a browser."""
    created: datetime
    expires: datetime | None
    last_used: datetime | None

    @classmethod
    def of(cls, row: TokenRow) -> Self:
        """The row without the digest of its secret."""
        return cls.model_validate(row, from_attributes=True)


class CreatedToken(ApiModel):
    """A new token."""

    token: Token
    secret: str
    """For the header `Authorization: Bearer …`; only shown once."""


class TokenList(ApiModel):
    """The tokens of a user."""

    tokens: list[Token]


class CurrentUser(ApiModel):
    """The current user and role."""

    name: str | None
    """null without authentication."""
    role: Role | None
    """viewer: read; editor: create and change; admin: also what others own. A token may allow less."""
    single_user: bool
    """Whether this installation has one user and no login."""
    login_url: str | None
    """The URL of the login page, if a login is needed."""


class User(ApiModel):
    """A user."""

    id: uuid.UUID
    name: str
    role: Role
    created: datetime
    disabled: bool

    @classmethod
    def of(cls, row: UserRow) -> Self:
        """The row as JSON."""
        return cls.model_validate(row, from_attributes=True)


class UserList(ApiModel):
    """All users."""

    users: list[User]


class UserPatch(ApiModel):
    """The fields of a user that can change."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"role": "editor"}, {"disabled": True}]})

    role: Role | None = None
    """If groups of the OpenID provider map to roles, the next login sets the role again."""
    disabled: bool | None = None
    """Whether the user is disabled, with all tokens and sessions."""
