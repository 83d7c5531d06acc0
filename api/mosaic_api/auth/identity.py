"""Users, roles, tokens and sessions. Only digests of secrets are stored."""

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mosaic_api.database.models import ROLES, Audit, Token, User, now
from mosaic_api.web.problems import Conflict, Forbidden, NotFound, Unauthorized

SCOPES = ("read", "write", "admin")
"""Scopes of a token. Each includes those before it, and none allows more than the user's role."""
SESSION = "session"
"""The scope of a browser session: everything that its user may do. Nobody knows its secret."""
SESSION_SECONDS = 12 * 3600
MOST_TOKENS = 100
"""Of one user."""
MOST_SESSIONS = 20
"""Browser sessions of one user; a new one ends the oldest."""
TOKEN_PREFIX = "mosaic_"  # noqa: S105 (scanners for leaked secrets look for it)
USED_SECONDS = 60
"""Precision of the last use of a token."""
SINGLE_USER = "me"
_LEVELS = {"viewer": 0, "read": 0, "editor": 1, "write": 1, "admin": 2, SESSION: 2}
_LABEL = 100
"""Characters of a label."""


@dataclass(frozen=True)
class Principal:
    """The authenticated caller.

    Attributes:
        user_id, name: of the user.
        level: 0 reads, 1 also creates and changes, 2 also sees and changes what others own.
        whole: whether the caller may do all that the user may; a restricted one may not make tokens.
    """

    user_id: uuid.UUID
    name: str
    level: int
    whole: bool = True

    @property
    def role(self) -> str:
        """The role that allows the same."""
        return ROLES[self.level]

    @property
    def is_admin(self) -> bool:
        """Whether the caller may see and change what others own."""
        return self.level >= _LEVELS["admin"]

    def require(self, role: str) -> None:
        """Refuse a caller without a role.

        Raises:
            Forbidden: the caller has a lesser role.
        """
        if self.level < _LEVELS[role]:
            raise Forbidden(f"this needs the role {role}; ask an administrator of this installation for it")

    def require_whole(self) -> None:
        """Refuse a restricted caller, which could otherwise gain rights or outlive its token.

        Raises:
            Forbidden: the caller is restricted.
        """
        if not self.whole:
            raise Forbidden("a token for less than `admin` cannot see or change tokens; log in, or use one for `admin`")


def principal_of(user: User, scopes: Sequence[str] = SCOPES) -> Principal:
    """The principal of a user, limited to some scopes."""
    scope = max((_LEVELS[scope] for scope in scopes), default=0)
    return Principal(user.id, user.name, min(_LEVELS[user.role], scope), scope == _LEVELS["admin"])


def single_user(session: Session) -> User:
    """The single user of an installation on a laptop."""
    return named_user(session, SINGLE_USER, "admin")


def named_user(session: Session, name: str, role: str = "editor") -> User:
    """The user with a name, who is created if necessary.

    Raises:
        ValueError: the role is unknown.
    """
    if role not in ROLES:
        raise ValueError(f"unknown role {role!r}; use {', '.join(ROLES)}")
    named = select(User).where(User.name == name)
    user = session.scalar(named)
    if user is None:  # parallel calls may create it: a page makes several when it loads
        session.execute(insert(User).values(name=name, role=role).on_conflict_do_nothing())
        user = session.scalars(named).one()
    return user


def create_token(
    session: Session, user: User, label: str, scopes: Sequence[str], days: int | None
) -> tuple[Token, str]:
    """Create a token; its secret is only returned here.

    `days` is the time until it expires; None means never.
    """
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = _add_token(session, user, label, scopes, secret, None if days is None else now() + timedelta(days=days))
    audit(session, user.id, "create token", f"token/{token.id}", label=label, scopes=list(scopes))
    return token, secret


def make_token(
    session: Session, principal: Principal, label: str, scopes: Sequence[str], days: int | None
) -> tuple[Token, str]:
    """Create a token for the caller, like `create_token`.

    Raises:
        Forbidden: the caller is restricted.
        Conflict: the user has too many tokens.
    """
    if len(tokens_of(session, principal)) >= MOST_TOKENS:
        raise Conflict(f"limit of {MOST_TOKENS} tokens and sessions reached; revoke some")
    return create_token(session, session.get_one(User, principal.user_id), label, scopes, days)


def open_session(session: Session, user: User, browser: str, given: Token | None = None) -> list[str]:
    """Start a browser session of a user; the label names the browser.

    With a `given` token, the session allows no more than that, and ends with it.

    Returns:
        The ids of the tokens that the session depends on, for the browser's signed cookie.
    """
    over = or_(Token.revoked.is_not(None), Token.expires <= now())
    own = and_(Token.user_id == user.id, Token.scopes == [SESSION])
    kept = select(Token.id).where(own, ~over).order_by(Token.created.desc(), Token.id).limit(MOST_SESSIONS - 1)
    session.execute(delete(Token).where(own, Token.id.not_in(kept)))
    label, expires = f"login: {browser}"[:_LABEL], now() + timedelta(seconds=SESSION_SECONDS)
    token = _add_token(session, user, label, [SESSION], secrets.token_urlsafe(32), expires)
    return [str(token.id), *([str(given.id)] if given else [])]


def principal_of_session(session: Session, token_ids: Sequence[str]) -> Principal | None:
    """The caller of a browser session; None if it has ended, or the user is disabled."""
    tokens = [session.get(Token, uuid.UUID(each)) for each in token_ids]
    valid = [token for token in tokens if token is not None and _is_valid(token)]
    if not tokens or len(valid) != len(tokens):
        return None
    for token in valid:
        _used(token)
    return min((principal_of(token.user, token.scopes) for token in valid), key=lambda each: (each.level, each.whole))


def close_session(session: Session, token_ids: Sequence[str]) -> Principal | None:
    """End a browser session and return its caller; copies of its cookie are invalid too."""
    principal = principal_of_session(session, token_ids)
    for each in token_ids:
        token = session.get(Token, uuid.UUID(each))
        if token is not None and token.scopes == [SESSION]:
            token.revoked = token.revoked or now()
    return principal


def valid_token(session: Session, secret: str) -> Token:
    """The token with a secret.

    Raises:
        Unauthorized: it is unknown, revoked or expired, or its user is disabled.
    """
    token = session.scalar(select(Token).where(Token.digest == _digest(secret)))
    if token is None or not _is_valid(token):
        raise Unauthorized("the token is invalid, expired or revoked; create a new one with `mosaic token create`")
    _used(token)
    return token


def principal_of_token(session: Session, secret: str) -> Principal:
    """The caller with a token; raises like `valid_token`."""
    token = valid_token(session, secret)
    return principal_of(token.user, token.scopes)


def tokens_of(session: Session, principal: Principal) -> Sequence[Token]:
    """The valid tokens and browser sessions of the caller, newest first.

    Raises:
        Forbidden: the caller is restricted.
    """
    principal.require_whole()
    return session.scalars(
        select(Token)
        .where(
            Token.user_id == principal.user_id,
            Token.revoked.is_(None),
            or_(Token.expires.is_(None), Token.expires > now()),
        )
        .order_by(Token.created.desc(), Token.id)
    ).all()


def revoke_token(session: Session, principal: Principal, token_id: uuid.UUID) -> None:
    """Revoke a token or browser session of the caller.

    Raises:
        Forbidden: the caller is restricted.
        NotFound: the caller has no such token.
    """
    principal.require_whole()
    token = session.scalar(
        select(Token).where(Token.id == token_id, Token.user_id == principal.user_id, Token.revoked.is_(None))
    )
    if token is None:
        raise NotFound(f"there is no token {token_id}, or it is not yours")
    token.revoked = now()
    audit(session, principal.user_id, "revoke token", f"token/{token.id}", label=token.label)


def change_user(
    session: Session, principal: Principal, user_id: uuid.UUID, role: str | None, disabled: bool | None
) -> User:
    """Change the role of a user, or disable the user with all tokens and sessions; None changes nothing.

    Raises:
        Forbidden: the caller is not an administrator.
        NotFound: there is no such user.
        Conflict: it is the caller, and no administrator might remain.
    """
    principal.require("admin")
    if user_id == principal.user_id:
        raise Conflict("you cannot change your own role or disable yourself; ask another administrator")
    both = select(User).where(User.id.in_([user_id, principal.user_id])).order_by(User.id).with_for_update()
    found = {user.id: user for user in session.scalars(both.execution_options(populate_existing=True))}
    changer, user = found.get(principal.user_id), found.get(user_id)
    if changer is None or changer.role != "admin" or changer.disabled:  # two who disable each other at the same time
        raise Forbidden("you are no longer an administrator")
    if user is None:
        raise NotFound(f"there is no user {user_id}")
    user.role = role or user.role
    user.disabled = user.disabled if disabled is None else disabled
    audit(session, principal.user_id, "change user", f"user/{user.id}", role=user.role, disabled=user.disabled)
    return user


def audit(session: Session, user_id: uuid.UUID | None, action: str, subject: str, **details: object) -> None:
    """Record who did what, in the same transaction."""
    session.add(Audit(user_id=user_id, action=action, subject=subject, details=_plain(details)))


def _add_token(
    session: Session, user: User, label: str, scopes: Sequence[str], secret: str, expires: datetime | None
) -> Token:
    token = Token(id=uuid.uuid4(), label=label, digest=_digest(secret), scopes=list(scopes), expires=expires, user=user)
    session.add(token)
    session.flush()
    return token


def _is_valid(token: Token) -> bool:
    ended = token.revoked is not None or (token.expires is not None and token.expires <= now())
    return not ended and not token.user.disabled


def _used(token: Token) -> None:
    moment = now()
    if token.last_used is None or (moment - token.last_used).total_seconds() > USED_SECONDS:
        token.last_used = moment


def _plain(details: dict[str, object]) -> dict[str, object]:
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in details.items()}


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
