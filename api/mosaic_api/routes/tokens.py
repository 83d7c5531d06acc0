"""/tokens: secrets by which programs come in as a user; each user sees and changes the own ones."""

import uuid
from datetime import datetime
from http import HTTPStatus
from typing import Literal, Self

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from mosaic_api.auth import identity
from mosaic_api.auth.dependencies import Who
from mosaic_api.context import HERE
from mosaic_api.database import Token

router = APIRouter(prefix="/tokens", tags=["tokens"])


class Wanted(BaseModel):
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


class Known(BaseModel):
    """A token, or a login in a browser."""

    id: uuid.UUID
    label: str
    scopes: list[str]
    """What it may be used for; `session` is a login in a browser."""
    created: datetime
    expires: datetime | None
    last_used: datetime | None

    @classmethod
    def of(cls, token: Token) -> Self:
        """As it is told; its secret is known to nobody here."""
        return cls(
            id=token.id,
            label=token.label,
            scopes=token.scopes,
            created=token.created,
            expires=token.expires,
            last_used=token.last_used,
        )


class Made(BaseModel):
    """A new token."""

    token: Known
    secret: str
    """For the header `Authorization: Bearer …`; it is shown this once."""


class Listed(BaseModel):
    """The tokens of a user."""

    tokens: list[Known]


@router.get("")
def listed(principal: Who, here: HERE) -> Listed:
    """Your tokens and logins that are not over, newest first."""
    with here.database.transaction() as session:
        return Listed(tokens=[Known.of(token) for token in identity.tokens_of(session, principal)])


@router.post("", status_code=HTTPStatus.CREATED)
def make(wanted: Wanted, response: Response, principal: Who, here: HERE) -> Made:
    """Make a token; its secret is shown this once."""
    with here.database.transaction() as session:
        token, secret = identity.make_token(session, principal, wanted.label, wanted.scopes, wanted.days)
    response.headers["Location"] = f"tokens/{token.id}"
    response.headers["Cache-Control"] = "no-store"
    return Made(token=Known.of(token), secret=secret)


@router.delete("/{token_id}", status_code=HTTPStatus.NO_CONTENT)
def revoke(token_id: uuid.UUID, principal: Who, here: HERE) -> None:
    """End a token, or a login, at once."""
    with here.database.transaction() as session:
        identity.revoke_token(session, principal, token_id)
