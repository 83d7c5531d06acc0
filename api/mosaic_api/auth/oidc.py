"""Logins with an OpenID provider, and the user they belong to."""

import asyncio
import itertools
import logging
import re
import unicodedata
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.starlette_client import OAuth
from fastapi import Request
from joserfc.errors import JoseError
from mosaic_crds.errors import PassingError
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from starlette.responses import Response

from mosaic_api.auth.identity import audit
from mosaic_api.database.models import ROLES, User
from mosaic_api.settings import NOBODY, Oidc, origin_of
from mosaic_api.web.problems import Forbidden, Unauthorized

CALLBACK = "/auth/callback"
LOGIN = "/login"
TARGET = "target"
"""Key in the signed cookie during a login: the path to open afterwards."""
TIMEOUT_SECONDS, TOTAL_SECONDS = 10.0, 20.0
"""For one response of the provider, and for a whole step of a login."""
LONGEST_NAME = 100
LONGEST_SUBJECT = 255
_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""Signature algorithms whose keys only the provider has."""
_WORD = re.compile(r"[a-z_]{1,40}")
"""An OAuth error code; anybody can put other text into the URL."""
logging.getLogger("authlib").setLevel(logging.INFO)  # DEBUG would log secrets of browser and provider

Claims = Mapping[str, Any]


class Provider:
    """An OpenID provider. Logins use a state, a nonce and PKCE, all bound to the browser by its cookie."""

    def __init__(self, oidc: Oidc, public_url: str) -> None:
        """Does not connect yet."""
        self.oidc = oidc
        self._public_url = public_url
        self._client = OAuth().register(
            "oidc",
            client_id=oidc.client_id,
            client_secret=oidc.client_secret or None,
            server_metadata_url=f"{oidc.issuer}/.well-known/openid-configuration",
            client_kwargs={"scope": oidc.scopes, "code_challenge_method": "S256", "timeout": TIMEOUT_SECONDS},
        )
        self._first = asyncio.Lock()

    @property
    def name(self) -> str:
        """The host of the provider, for messages."""
        return urlsplit(self.oidc.issuer).netloc

    async def start(self, request: Request, target: str) -> Response:
        """Redirect a browser to the provider, which returns it to CALLBACK. `target` is the path to open at the end.

        Raises:
            PassingError: the provider does not answer, or its response is invalid.
        """
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                await self._metadata()
                request.session[TARGET] = target
                response: Response = await self._client.authorize_redirect(request, self._public_url + CALLBACK)
        except (TimeoutError, AuthlibBaseError, httpx2.HTTPError, RuntimeError, ValueError) as error:
            raise self._silent(error) from error
        return response

    async def finish(self, request: Request) -> Claims:
        """The claims of the person who returns from the provider.

        Raises:
            Unauthorized: the login failed, was started in another browser, or its response is not trustworthy.
            PassingError: the provider does not answer.
        """
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await self._claims(request)
        except (AuthlibBaseError, JoseError) as error:
            raise Unauthorized(f"the login at {self.name} did not succeed ({_reason(error)}); try again") from error
        except (TimeoutError, httpx2.HTTPError, RuntimeError, ValueError) as error:
            raise self._silent(error) from error

    async def _claims(self, request: Request) -> Claims:
        issuer = (await self._metadata())["issuer"]
        expected = {
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": self.oidc.client_id},
        }
        token = await self._client.authorize_access_token(request, claims_options=expected)
        claims = token.get("userinfo")
        if not claims:
            raise Unauthorized(f"{self.name} did not say who you are: it sent no ID token")
        return {**await self._more(token, claims["sub"]), **claims}

    async def farewell(self) -> str:
        """The URL to open after logging out: the provider's logout, or LOGIN."""
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                metadata = await self._metadata()
        except (TimeoutError, PassingError, httpx2.HTTPError, ValueError):
            return LOGIN
        address = str(metadata.get("end_session_endpoint", ""))
        if origin_of(address) != origin_of(self.oidc.issuer):  # the page's policy only allows forms to this origin
            return LOGIN
        parameters = {"client_id": self.oidc.client_id, "post_logout_redirect_uri": self._public_url + LOGIN}
        return f"{address}{'&' if '?' in address else '?'}{urlencode(parameters)}"

    async def _metadata(self) -> dict[str, Any]:
        """The provider's metadata, requested once."""
        async with self._first:
            metadata: dict[str, Any] = await self._client.load_server_metadata()
            if str(metadata.get("issuer", "")).rstrip("/") != self.oidc.issuer:
                self._client.server_metadata.clear()
                raise PassingError(
                    f"{self.oidc.issuer} names itself {metadata.get('issuer')!r}; set the issuer to that"
                )
            supported = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
            metadata["id_token_signing_alg_values_supported"] = [each for each in supported if each in _ALGORITHMS]
            return metadata

    async def _more(self, token: Mapping[str, Any], subject: str) -> Claims:
        """Claims that only the userinfo endpoint returns, such as groups."""
        if "userinfo_endpoint" not in await self._metadata() or "access_token" not in token:
            return {}
        more = await self._client.userinfo(token=token)
        return dict(more) if more.get("sub") == subject else {}

    def _silent(self, error: Exception) -> PassingError:
        return PassingError(f"the OpenID provider {self.name} does not answer correctly: {_reason(error)}")


def user_of(session: Session, oidc: Oidc, claims: Claims) -> User:
    """The user with a provider's claims, who is created at the first login.

    Issuer and subject identify a person, never the name, which people can choose at their provider.

    Raises:
        Forbidden: the person has no access.
    """
    subject = f"{oidc.issuer}|{claims['sub']}"
    if len(subject) > LONGEST_SUBJECT:
        raise Forbidden(f"your OpenID provider's subject is longer than {LONGEST_SUBJECT} characters with its issuer")
    role = role_of(oidc, claims)
    if role is None:
        raise Forbidden("none of your groups may use this installation; ask its administrator")
    user = session.scalar(select(User).where(User.subject == subject)) or _new_user(
        session, subject, role, claims, oidc
    )
    if user.disabled:
        raise Forbidden("your account is disabled; ask the administrator of this installation")
    if oidc.roles and user.role != role:
        audit(session, user.id, "change role", f"user/{user.id}", before=user.role, after=role, by=oidc.issuer)
        user.role = role
    return user


def role_of(oidc: Oidc, claims: Claims) -> str | None:
    """The role of a person; None without access."""
    claim = claims.get(oidc.role_claim, ())
    groups = [claim] if isinstance(claim, str) else claim if isinstance(claim, list) else ()
    roles = {oidc.roles[group] for group in groups if isinstance(group, str) and group in oidc.roles}
    return max(roles, key=ROLES.index, default=None if oidc.default_role == NOBODY else oidc.default_role)


def own_path(target: str) -> str:
    """A path of this site to open after a login; `/` if the target is anything else."""
    strange = "\\" in target or any(unicodedata.category(letter).startswith("C") for letter in target)
    if strange or not target.startswith("/") or target.startswith("//"):
        return "/"
    return target


def _new_user(session: Session, subject: str, role: str, claims: Claims, oidc: Oidc) -> User:
    """Create a user with a free name; the same person may log in twice at the same time."""
    for name in _names(str(claims.get(oidc.name_claim) or claims.get("name") or claims.get("email") or "")):
        user = User(id=uuid.uuid4(), name=name, role=role, subject=subject)
        try:
            with session.begin_nested():
                session.add(user)
        except IntegrityError:
            known = session.scalar(select(User).where(User.subject == subject))
            if known is not None:
                return known
        else:
            audit(session, user.id, "become known", f"user/{user.id}", name=name, role=role)
            return user
    raise AssertionError("there is always another name")


def _names(wanted: str) -> Iterator[str]:
    printable = "".join(letter for letter in wanted if not unicodedata.category(letter).startswith("C")).strip()
    name = printable[: LONGEST_NAME - 10] or "somebody"
    yield name
    for number in itertools.count(2):
        yield f"{name} {number}"


def _reason(error: Exception) -> str:
    """An error code or class; never anything that was sent or received."""
    word = str(error.error) if isinstance(error, AuthlibBaseError | JoseError) else ""
    return word if _WORD.fullmatch(word) else type(error).__name__
