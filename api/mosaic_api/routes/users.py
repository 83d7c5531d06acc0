"""/me, who asks; /users, who there is, for administrators."""

import uuid
from datetime import datetime
from typing import Literal, Self

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from mosaic_api.auth import identity
from mosaic_api.auth.dependencies import Who, WhoIfKnown
from mosaic_api.auth.oidc import LOGIN
from mosaic_api.context import HERE
from mosaic_api.database import User

router = APIRouter(tags=["users"])
Role = Literal["viewer", "editor", "admin"]


class Me(BaseModel):
    """Who asks, and what they may do."""

    name: str | None
    """Null for nobody."""
    role: Role | None
    """What may be done: look; ask and keep; see to what is others'. With a token it may be less than the user's."""
    single_user: bool
    """Whether there is no login here."""
    login_url: str | None
    """Where a browser logs in, if that is what is missing."""


class Person(BaseModel):
    """Somebody who is known here."""

    id: uuid.UUID
    name: str
    role: Role
    created: datetime
    disabled: bool

    @classmethod
    def of(cls, user: User) -> Self:
        """As it is told."""
        return cls.model_validate(user, from_attributes=True)


class Listed(BaseModel):
    """Everybody who is known here."""

    users: list[Person]


class Change(BaseModel):
    """What can be changed of a user."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"role": "editor"}, {"disabled": True}]})

    role: Role | None = None
    """Where the OpenID provider's groups have roles, the next login sets it anew."""
    disabled: bool | None = None
    """Whether the user, all tokens and all logins are shut out."""


@router.get("/me", openapi_extra={"security": []})
def me(principal: WhoIfKnown, response: Response, here: HERE) -> Me:
    """Who you are here; anybody may ask."""
    response.headers["Cache-Control"] = "no-store"
    single = here.settings.single_user
    if principal is None:
        return Me(name=None, role=None, single_user=single, login_url=LOGIN if here.settings.session_secret else None)
    return Me(name=principal.name, role=principal.role, single_user=single, login_url=None)


@router.get("/users")
def listed(principal: Who, here: HERE) -> Listed:
    """Everybody who is known here, by name; for administrators."""
    principal.require("admin")
    with here.database.transaction() as session:
        return Listed(users=[Person.of(user) for user in session.scalars(select(User).order_by(User.name))])


@router.patch("/users/{user_id}")
def change(user_id: uuid.UUID, change: Change, principal: Who, here: HERE) -> Person:
    """Give a user another role, or shut the user out, at once; for administrators."""
    with here.database.transaction() as session:
        user = identity.change_user(session, principal, user_id, change.role, change.disabled)
        return Person.of(user)
