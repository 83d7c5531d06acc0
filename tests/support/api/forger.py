"""A malicious OpenID provider: the real one, with ID tokens that a test chooses."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from support.servers.forwarding import Answer, Forwarder, Request


class Forger(Forwarder):
    """A proxy in front of the real provider, with another address.

    Attributes:
        key: The published key, with which it signs.
        changed: Claims of the next ID tokens.
        signed: Signature: RS256, RS256 with the key of a `stranger`, HS256 with the client secret, or `none`.
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
            document = json.loads(found.body.replace(self.upstream.encode(), self.address.encode()))
            document["authorization_endpoint"] = f"http://{self.upstream}/auth"  # browsers use the real endpoint
            return _as_json(document | {"id_token_signing_alg_values_supported": ["RS256", "HS256", "none"]})
        if path == "/jwks":
            return _as_json({"keys": [self.key.as_dict(private=False)]})
        if path == "/token" and found.status == 200:
            document = json.loads(found.body)
            return _as_json(document | {"id_token": self._forged(document["id_token"])})
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


def _as_json(document: dict[str, Any]) -> Answer:
    body = json.dumps(document).encode()
    return Answer(200, {"Content-Type": "application/json"}, body)
