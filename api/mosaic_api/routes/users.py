"""/me: the current user; /users: all users, for administrators."""

import uuid

from fastapi import APIRouter, Response
from sqlalchemy import select

from mosaic_api.auth import identity, schemas
from mosaic_api.auth.oidc import LOGIN
from mosaic_api.context import ContextDep
from mosaic_api.database import User
from mosaic_api.dependencies import CurrentPrincipal, OptionalPrincipal

router = APIRouter(tags=["users"])


@router.get("/me", openapi_extra={"security": []})
def get_current_user(principal: OptionalPrincipal, response: Response, context: ContextDep) -> schemas.CurrentUser:
    """Get the current user; no authentication is needed."""
    response.headers["Cache-Control"] = "no-store"
    single = context.settings.single_user
    if principal is None:
        return schemas.CurrentUser(
            name=None, role=None, single_user=single, login_url=LOGIN if context.settings.session_secret else None
        )
    return schemas.CurrentUser(name=principal.name, role=principal.role, single_user=single, login_url=None)


@router.get("/users")
def list_users(principal: CurrentPrincipal, context: ContextDep) -> schemas.UserList:
    """List all users by name; for administrators."""
    principal.require("admin")
    with context.database.transaction() as session:
        return schemas.UserList(
            users=[schemas.User.of(user) for user in session.scalars(select(User).order_by(User.name))]
        )


@router.patch("/users/{user_id}")
def update_user(
    user_id: uuid.UUID, change: schemas.UserPatch, principal: CurrentPrincipal, context: ContextDep
) -> schemas.User:
    """Change the role of a user or disable the user, effective immediately; for administrators."""
    with context.database.transaction() as session:
        user = identity.change_user(session, principal, user_id, change.role, change.disabled)
        return schemas.User.of(user)
