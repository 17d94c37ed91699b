"""JSON web tokens (RFC 7519): whose they are is what their issuer has signed."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from dispatch.errors import ConfigurationError
from gateway.errors import Unauthenticated
from gateway.identity.grant import Grant
from gateway.identity.key_set import KeySet
from gateway.identity.name import is_name
from gateway.identity.principal import Principal
from gateway.identity.token_file import hash_of

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Those with a key pair. With a shared secret, who can verify a token can also make one."""
CACHED = 4096

_TOLD: dict[type[jwt.PyJWTError], str] = {
    jwt.ImmatureSignatureError: "the token is not valid yet",
    jwt.InvalidAudienceError: "the token is for another audience",
    jwt.InvalidIssuerError: "the token is of another issuer",
    jwt.InvalidSignatureError: "the token's signature is wrong",
    jwt.InvalidAlgorithmError: "the token's algorithm is not allowed",
    jwt.MissingRequiredClaimError: "the token lacks a claim",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebTokenOptions:
    """What tokens must say. `admin` is a claim and a word in it, in a list or between spaces; dots lead into objects.

    Raises:
        ConfigurationError: on construction.
    """

    keys: str
    issuer: str
    audience: str
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    principal_claim: str = "sub"
    admin: tuple[str, str] = ("scope", "myeye:admin")
    leeway_s: float = 30.0

    def __post_init__(self) -> None:
        if not self.issuer or not self.audience:
            raise ConfigurationError("--jwks needs --jwt-issuer and --jwt-audience: a token for something else is none for this")
        if not self.algorithms or not set(self.algorithms) <= set(ALGORITHMS):
            raise ConfigurationError(f"--jwt-algorithms are some of {', '.join(ALGORITHMS)}")
        if not all(self.admin):
            raise ConfigurationError("--jwt-admin is CLAIM=WORD")
        if not self.principal_claim or not 0 <= self.leeway_s <= 300:
            raise ConfigurationError("--jwt-principal is a claim, and --jwt-leeway from 0 to 300 seconds")


class WebTokens:
    """Verifies tokens, each once as long as the keys stay the same."""

    def __init__(self, options: WebTokenOptions) -> None:
        """Raises ConfigurationError as `KeySet`."""
        self.keys = KeySet(options.keys)
        self._options = options
        self._verified: OrderedDict[str, Grant] = OrderedDict()
        self._version = 0

    async def grant(self, token: str) -> Grant:
        """Give what a token is good for.

        Raises:
            Unauthenticated: nothing, or no more.
            Unavailable: the keys could not be had yet.
        """
        key = await self._key(token)
        if self._version != self.keys.version:
            self._version = self.keys.version
            self._verified.clear()
        digest = hash_of(token)
        grant = self._verified.get(digest)
        if grant is None:
            grant = self._verified[digest] = self._verify(token, key)
            if len(self._verified) > CACHED:
                self._verified.popitem(last=False)
        grant.check()
        return grant

    async def _key(self, token: str) -> jwt.PyJWK:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as error:
            raise Unauthenticated("TOKEN_INVALID", "the token is not known here") from error
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self._options.algorithms:
            raise Unauthenticated("TOKEN_INVALID", _TOLD[jwt.InvalidAlgorithmError])
        key = await self.keys.find(kid, str(algorithm))
        if key is None:
            raise Unauthenticated("TOKEN_INVALID", "the token is signed with a key that is not known")
        return key

    def _verify(self, token: str, key: jwt.PyJWK) -> Grant:
        options = self._options
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=list(options.algorithms),
                audience=options.audience,
                issuer=options.issuer,
                leeway=options.leeway_s,
                options={"require": ["exp"], "enforce_minimum_key_length": True},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("TOKEN_EXPIRED", "the token has expired") from error
        except jwt.PyJWTError as error:
            told = next((text for kind, text in _TOLD.items() if isinstance(error, kind)), "the token cannot be verified")
            raise Unauthenticated("TOKEN_INVALID", told) from error
        name = claim(claims, options.principal_claim)
        if not isinstance(name, str) or not is_name(name):
            raise Unauthenticated("TOKEN_INVALID", "the token names nobody")
        until_s = int(claims["exp"]) + options.leeway_s

        def check() -> None:
            if time.time() >= until_s:
                raise Unauthenticated("TOKEN_EXPIRED", "the token has expired")

        return Grant(Principal(name, admin=_has(claim(claims, options.admin[0]), options.admin[1])), check)


def claim(claims: Mapping[str, Any], path: str) -> object:
    """Give a claim by its name, or, where dots lead into objects, by its path; None if it is not there."""
    if path in claims:
        return claims[path]
    found: object = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _has(value: object, word: str) -> bool:
    words = value.split() if isinstance(value, str) else value
    return isinstance(words, list) and word in words
