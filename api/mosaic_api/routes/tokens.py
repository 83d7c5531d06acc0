"""/tokens: secrets with which programs act as a user. Users only see and change their own."""

import uuid
from http import HTTPStatus

from fastapi import APIRouter, Response

from mosaic_api.auth import identity, schemas
from mosaic_api.context import ContextDep
from mosaic_api.dependencies import CurrentPrincipal

router = APIRouter(prefix="/tokens", tags=["tokens"])


@router.get("")
def list_tokens(principal: CurrentPrincipal, context: ContextDep) -> schemas.TokenList:
    """List your valid tokens and sessions, newest first."""
    with context.database.transaction() as session:
        return schemas.TokenList(tokens=[schemas.Token.of(token) for token in identity.tokens_of(session, principal)])


@router.post("", status_code=HTTPStatus.CREATED)
def create_token(
    wanted: schemas.TokenCreate, response: Response, principal: CurrentPrincipal, context: ContextDep
) -> schemas.CreatedToken:
    """Create a token; its secret is only shown once."""
    with context.database.transaction() as session:
        token, secret = identity.make_token(session, principal, wanted.label, wanted.scopes, wanted.days)
    response.headers["Location"] = f"tokens/{token.id}"
    response.headers["Cache-Control"] = "no-store"
    return schemas.CreatedToken(token=schemas.Token.of(token), secret=secret)


@router.delete("/{token_id}", status_code=HTTPStatus.NO_CONTENT)
def revoke_token(token_id: uuid.UUID, principal: CurrentPrincipal, context: ContextDep) -> None:
    """Revoke a token or a session immediately."""
    with context.database.transaction() as session:
        identity.revoke_token(session, principal, token_id)
