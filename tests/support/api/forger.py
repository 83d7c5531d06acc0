"""An OpenID provider gone bad: the real one, but for the ID tokens, which it makes anew as a test wants them."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from support.servers.forwarding import Answer, Forwarder, Request


class Forger(Forwarder):
    """Stands in front of the real provider, under an address of its own.

    Attributes:
        key: that it tells of, and signs with.
        changed: claims of the next ID tokens.
        signed: how: RS256, by a `stranger`'s key, HS256 by the secret that the client knows, or `none`.
    """

    def __init__(self, upstream: str, client_secret: str) -> None:
        super().__init__(upstream)
        self.key, self._stranger = (RSAKey.generate_key(2048, {"kid": "1"}) for _ in range(2))
        self._client_secret = client_secret
        self.changed: Mapping[str, Any] = {}
        self.signed = "RS256"

    def answer(self, request: Request) -> Answer:
        found = self.forward(request)
        path = request.target.partition("?")[0]
        if path == "/.well-known/openid-configuration":
            told = json.loads(found.body.replace(self.upstream.encode(), self.address.encode()))
            told["authorization_endpoint"] = f"http://{self.upstream}/auth"  # where browsers go is nothing to forge
            return _as_json(told | {"id_token_signing_alg_values_supported": ["RS256", "HS256", "none"]})
        if path == "/jwks":
            return _as_json({"keys": [self.key.as_dict(private=False)]})
        if path == "/token" and found.status == 200:
            told = json.loads(found.body)
            return _as_json(told | {"id_token": self._forged(told["id_token"])})
        return found

    def _forged(self, id_token: str) -> str:
        part = id_token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        claims.pop("at_hash", None)
        claims |= {"iss": f"http://{self.address}"} | self.changed
        if self.signed == "none":
            parts = ({"alg": "none", "kid": "1"}, claims)
            return ".".join(urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts) + "."
        if self.signed == "HS256":
            return jwt.encode({"alg": "HS256", "kid": "1"}, claims, OctKey.import_key(self._client_secret))
        return jwt.encode(
            {"alg": "RS256", "kid": "1"}, claims, self._stranger if self.signed == "stranger" else self.key
        )


def _as_json(told: dict[str, Any]) -> Answer:
    body = json.dumps(told).encode()
    return Answer(200, {"Content-Type": "application/json"}, body)
