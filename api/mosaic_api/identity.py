"""Who somebody is, and what they may do; secrets are kept as digests."""

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from mosaic_api.database.models import ROLES, Audit, Token, User, now
from mosaic_api.problems import Forbidden, Unauthorized

SCOPES = ("read", "write", "admin")
"""What a token may be used for; each includes those before it, and none allows more than its user's role does."""
TOKEN_PREFIX = "mosaic_"  # noqa: S105 (by which scanners for leaked secrets find them)
USED_SECONDS = 60
"""How exactly the last use of a token is known."""
SINGLE_USER = "me"
_LEVELS = {"viewer": 0, "read": 0, "editor": 1, "write": 1, "admin": 2}


@dataclass(frozen=True)
class Principal:
    """Who asks.

    Attributes:
        user_id, name: of the user.
        level: 0 may look, 1 may ask and keep, 2 may see to what is others'.
    """

    user_id: uuid.UUID
    name: str
    level: int

    @property
    def is_admin(self) -> bool:
        """Whether what is others' may be seen and changed."""
        return self.level >= _LEVELS["admin"]

    def require(self, role: str) -> None:
        """Refuse whoever has less than a role.

        Raises:
            Forbidden: the principal has less.
        """
        if self.level < _LEVELS[role]:
            raise Forbidden(f"this needs the role {role}; ask an administrator of this installation for it")


def principal_of(user: User, scopes: Sequence[str] = SCOPES) -> Principal:
    """The principal that a user is, with no more than some scopes allow."""
    scope = max((_LEVELS[scope] for scope in scopes), default=-1)
    return Principal(user.id, user.name, min(_LEVELS[user.role], scope))


def single_user(session: Session) -> User:
    """The one user of an installation on a laptop."""
    return named_user(session, SINGLE_USER, "admin")


def named_user(session: Session, name: str, role: str = "editor") -> User:
    """The user of a name, who becomes known if there is none yet.

    Raises:
        ValueError: there is no such role.
    """
    if role not in ROLES:
        raise ValueError(f"the role {role!r} is none of {', '.join(ROLES)}")
    user = session.scalar(select(User).where(User.name == name))
    if user is None:
        user = User(id=uuid.uuid4(), name=name, role=role)
        session.add(user)
        session.flush()
    return user


def create_token(
    session: Session, user: User, label: str, scopes: Sequence[str], days: int | None
) -> tuple[Token, str]:
    """A new token of a user; its secret is given here and never again.

    Args:
        session: a transaction.
        user: whose it is.
        label: by which the user knows it.
        scopes: what it may be used for.
        days: after which it ends; never if None.
    """
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    expires = None if days is None else now() + timedelta(days=days)
    token = Token(id=uuid.uuid4(), label=label, digest=_digest(secret), scopes=list(scopes), expires=expires, user=user)
    session.add(token)
    session.flush()
    audit(session, user.id, "create token", f"token/{token.id}", label=label, scopes=list(scopes))
    return token, secret


def principal_of_token(session: Session, secret: str) -> Principal:
    """Whom a token stands for.

    Raises:
        Unauthorized: it is unknown, revoked or expired, or its user is disabled.
    """
    token = session.scalar(select(Token).where(Token.digest == _digest(secret)))
    moment = now()
    if token is None or token.revoked or (token.expires and token.expires <= moment) or token.user.disabled:
        raise Unauthorized("the token is not valid here, or not any more; make a new one with `mosaic token create`")
    if token.last_used is None or (moment - token.last_used).total_seconds() > USED_SECONDS:
        token.last_used = moment
    return principal_of(token.user, token.scopes)


def audit(session: Session, user_id: uuid.UUID | None, action: str, subject: str, **details: object) -> None:
    """Write down who did what, in the transaction that does it."""
    session.add(Audit(user_id=user_id, action=action, subject=subject, details=_plain(details)))


def _plain(details: dict[str, object]) -> dict[str, object]:
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in details.items()}


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
