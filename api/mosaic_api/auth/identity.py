"""Who somebody is, and what they may do; secrets are kept as digests."""

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
"""What a token may be used for; each includes those before it, and none allows more than its user's role does."""
SESSION = "session"
"""The scope of what stands for a login in a browser: all that its user may do. Its secret is known to nobody."""
SESSION_SECONDS = 12 * 3600
MOST_TOKENS = 100
"""That one user may have at once."""
MOST_SESSIONS = 20
"""Logins that one user may have at once; a new one ends the oldest."""
TOKEN_PREFIX = "mosaic_"  # noqa: S105 (by which scanners for leaked secrets find them)
USED_SECONDS = 60
"""How exactly the last use of a token is known."""
SINGLE_USER = "me"
_LEVELS = {"viewer": 0, "read": 0, "editor": 1, "write": 1, "admin": 2, SESSION: 2}
_LABEL = 100
"""Characters of a label."""


@dataclass(frozen=True)
class Principal:
    """Who asks.

    Attributes:
        user_id, name: of the user.
        level: 0 may look, 1 may ask and keep, 2 may see to what is others'.
        whole: whether this is all that the user may do; whoever has been given less may not make tokens.
    """

    user_id: uuid.UUID
    name: str
    level: int
    whole: bool = True

    @property
    def role(self) -> str:
        """What may be done, as the role that may do it."""
        return ROLES[self.level]

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

    def require_whole(self) -> None:
        """Refuse whoever was given a part of what the user may do: it must not grow, nor outlast its end.

        Raises:
            Forbidden: the principal is not the whole user.
        """
        if not self.whole:
            raise Forbidden("a token for less than `admin` cannot see or change tokens; log in, or use one for `admin`")


def principal_of(user: User, scopes: Sequence[str] = SCOPES) -> Principal:
    """The principal that a user is, with no more than some scopes allow."""
    scope = max((_LEVELS[scope] for scope in scopes), default=0)
    return Principal(user.id, user.name, min(_LEVELS[user.role], scope), scope == _LEVELS["admin"])


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
    named = select(User).where(User.name == name)
    user = session.scalar(named)
    if user is None:  # others may find the same at once: the calls that a page begins with do
        session.execute(insert(User).values(name=name, role=role).on_conflict_do_nothing())
        user = session.scalars(named).one()
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
    token = _add_token(session, user, label, scopes, secret, None if days is None else now() + timedelta(days=days))
    audit(session, user.id, "create token", f"token/{token.id}", label=label, scopes=list(scopes))
    return token, secret


def make_token(
    session: Session, principal: Principal, label: str, scopes: Sequence[str], days: int | None
) -> tuple[Token, str]:
    """A new token of the principal; as create_token.

    Raises:
        Forbidden: the principal is not the whole user.
        Conflict: the user has too many.
    """
    if len(tokens_of(session, principal)) >= MOST_TOKENS:
        raise Conflict(f"you have {MOST_TOKENS} tokens and logins, and no more are kept; revoke some")
    return create_token(session, session.get_one(User, principal.user_id), label, scopes, days)


def open_session(session: Session, user: User, browser: str, given: Token | None = None) -> list[str]:
    """Let a browser in as a user.

    Args:
        session: a transaction.
        user: who logged in.
        browser: as it calls itself.
        given: the token by which the user did; the session allows no more, and ends with it.

    Returns:
        what the browser's signed cookie shall say: the ids of the tokens that the session stands on.
    """
    over = or_(Token.revoked.is_not(None), Token.expires <= now())
    own = and_(Token.user_id == user.id, Token.scopes == [SESSION])
    kept = select(Token.id).where(own, ~over).order_by(Token.created.desc(), Token.id).limit(MOST_SESSIONS - 1)
    session.execute(delete(Token).where(own, Token.id.not_in(kept)))
    label, expires = f"login: {browser}"[:_LABEL], now() + timedelta(seconds=SESSION_SECONDS)
    token = _add_token(session, user, label, [SESSION], secrets.token_urlsafe(32), expires)
    return [str(token.id), *([str(given.id)] if given else [])]


def principal_of_session(session: Session, stands_on: Sequence[str]) -> Principal | None:
    """Whom a browser's session stands for; None if it is over, or its user is disabled."""
    tokens = [session.get(Token, uuid.UUID(each)) for each in stands_on]
    valid = [token for token in tokens if token is not None and _is_valid(token)]
    if not tokens or len(valid) != len(tokens):
        return None
    for token in valid:
        _used(token)
    return min((principal_of(token.user, token.scopes) for token in valid), key=lambda each: (each.level, each.whole))


def close_session(session: Session, stands_on: Sequence[str]) -> Principal | None:
    """End a browser's session for good, whoever has its cookie; give whom it stood for."""
    principal = principal_of_session(session, stands_on)
    for each in stands_on:
        token = session.get(Token, uuid.UUID(each))
        if token is not None and token.scopes == [SESSION]:
            token.revoked = token.revoked or now()
    return principal


def valid_token(session: Session, secret: str) -> Token:
    """The token of a secret.

    Raises:
        Unauthorized: it is unknown, revoked or expired, or its user is disabled.
    """
    token = session.scalar(select(Token).where(Token.digest == _digest(secret)))
    if token is None or not _is_valid(token):
        raise Unauthorized("the token is not valid here, or not any more; make a new one with `mosaic token create`")
    _used(token)
    return token


def principal_of_token(session: Session, secret: str) -> Principal:
    """Whom a token stands for.

    Raises:
        Unauthorized: it is unknown, revoked or expired, or its user is disabled.
    """
    token = valid_token(session, secret)
    return principal_of(token.user, token.scopes)


def tokens_of(session: Session, principal: Principal) -> Sequence[Token]:
    """The tokens of the principal that are not over, and the logins that are not, newest first.

    Raises:
        Forbidden: the principal is not the whole user.
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
    """End a token of the principal, or a login.

    Raises:
        Forbidden: the principal is not the whole user.
        NotFound: there is none of the principal's.
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
    """Give a user another role, or shut the user out with all tokens and logins; None leaves it as it is.

    Raises:
        Forbidden: the principal is no administrator.
        NotFound: there is no such user.
        Conflict: it is the principal's own self, and nobody might be left to take it back.
    """
    principal.require("admin")
    if user_id == principal.user_id:
        raise Conflict("another administrator must change your own role, or shut you out")
    both = select(User).where(User.id.in_([user_id, principal.user_id])).order_by(User.id).with_for_update()
    found = {user.id: user for user in session.scalars(both.execution_options(populate_existing=True))}
    changer, user = found.get(principal.user_id), found.get(user_id)
    if changer is None or changer.role != "admin" or changer.disabled:  # two who shut each other out at once
        raise Forbidden("you are no administrator any more")
    if user is None:
        raise NotFound(f"there is no user {user_id}")
    user.role = role or user.role
    user.disabled = user.disabled if disabled is None else disabled
    audit(session, principal.user_id, "change user", f"user/{user.id}", role=user.role, disabled=user.disabled)
    return user


def audit(session: Session, user_id: uuid.UUID | None, action: str, subject: str, **details: object) -> None:
    """Write down who did what, in the transaction that does it."""
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
