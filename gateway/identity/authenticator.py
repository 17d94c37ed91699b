"""From what a call brings to whose it is."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.errors import Unauthenticated
from gateway.identity.grant import OPEN, Grant
from gateway.identity.token_file import TokenFile

MAX_TOKEN_LENGTH = 8192


class Authenticator:
    """Knows every way to show who one is. Where there is none, everybody is the same."""

    def __init__(self, *, tokens: TokenFile | None = None) -> None:
        self._tokens = tokens

    async def authenticate(self, metadata: Iterable[tuple[str, str | bytes]]) -> Grant:
        """Give what a call's metadata are good for.

        Raises:
            Unauthenticated: nothing.
        """
        if self._tokens is None:
            return OPEN
        return self._tokens.grant(bearer_token(metadata))


def bearer_token(metadata: Iterable[tuple[str, str | bytes]]) -> str:
    """Give the token of "authorization: Bearer TOKEN".

    Raises:
        Unauthenticated: there is none, or it cannot be one.
    """
    values = [value for key, value in metadata if key.lower() == "authorization"]
    if not values:
        raise Unauthenticated("TOKEN_MISSING", "a token is needed: authorization: Bearer TOKEN")
    scheme, _, token = (values[0].decode(errors="replace") if isinstance(values[0], bytes) else values[0]).strip().partition(" ")
    token = token.strip()
    if len(values) > 1 or scheme.lower() != "bearer" or not token or len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        raise Unauthenticated("TOKEN_INVALID", "the header is not one authorization: Bearer TOKEN")
    return token
