"""The REST schemas of users and tokens."""

import uuid
from datetime import datetime
from typing import Literal, Self

from pydantic import ConfigDict, Field

from mosaic_api.database import Token as TokenRow
from mosaic_api.database import User as UserRow
from mosaic_api.web.schemas import ApiModel

Role = Literal["viewer", "editor", "admin"]


class TokenCreate(ApiModel):
    """A token that is asked for."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"label": "nightly mosaics", "scopes": ["write"], "days": 90}]}
    )

    label: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
    """By which you know it."""
    scopes: list[Literal["read", "write", "admin"]] = Field(default=["write"], min_length=1, max_length=3)
    """What it may be used for; each includes those before it, and none allows more than your role does."""
    days: int | None = Field(default=365, ge=1, le=3660)
    """After which it ends; never if null."""


class Token(ApiModel):
    """A token, or a login in a browser."""

    id: uuid.UUID
    label: str
    scopes: list[str]
    """What it may be used for; `session` is a login in a browser."""
    created: datetime
    expires: datetime | None
    last_used: datetime | None

    @classmethod
    def of(cls, row: TokenRow) -> Self:
        """As it is told; its secret is known to nobody here."""
        return cls(
            id=row.id,
            label=row.label,
            scopes=row.scopes,
            created=row.created,
            expires=row.expires,
            last_used=row.last_used,
        )


class CreatedToken(ApiModel):
    """A new token."""

    token: Token
    secret: str
    """For the header `Authorization: Bearer …`; it is shown this once."""


class TokenList(ApiModel):
    """The tokens of a user."""

    tokens: list[Token]


class CurrentUser(ApiModel):
    """Who asks, and what they may do."""

    name: str | None
    """Null for nobody."""
    role: Role | None
    """What may be done: look; ask and keep; see to what is others'. With a token it may be less than the user's."""
    single_user: bool
    """Whether there is no login here."""
    login_url: str | None
    """Where a browser logs in, if that is what is missing."""


class User(ApiModel):
    """Somebody who is known here."""

    id: uuid.UUID
    name: str
    role: Role
    created: datetime
    disabled: bool

    @classmethod
    def of(cls, row: UserRow) -> Self:
        """As it is told."""
        return cls.model_validate(row, from_attributes=True)


class UserList(ApiModel):
    """Everybody who is known here."""

    users: list[User]


class UserPatch(ApiModel):
    """What can be changed of a user."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"role": "editor"}, {"disabled": True}]})

    role: Role | None = None
    """Where the OpenID provider's groups have roles, the next login sets it anew."""
    disabled: bool | None = None
    """Whether the user, all tokens and all logins are shut out."""
