"""From what a call brings to whose it is."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.errors import Unauthenticated
from gateway.identity.caller import Context
from gateway.identity.certificates import Certificates
from gateway.identity.grant import OPEN, Grant
from gateway.identity.token_file import PREFIX, TokenFile
from gateway.identity.web_token import WebTokens

MAX_TOKEN_LENGTH = 6144
"""With the other headers it stays below the 8 KiB from which gRPC begins to refuse them, now and then."""

Metadata = Iterable[tuple[str, str | bytes]]


class Authenticator:
    """Knows every way to show who one is. Where there is none, everybody is the same.

    Where there are tokens, they alone count: a certificate then says who may connect, and not who calls.
    """

    def __init__(
        self,
        *,
        tokens: TokenFile | None = None,
        web_tokens: WebTokens | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        self._tokens = tokens
        self._web_tokens = web_tokens
        self._certificates = certificates

    async def authenticate(self, metadata: Metadata) -> Grant | None:
        """Give what a call's metadata are good for; None: its connection decides, and is to be asked with `of_connection`.

        Raises:
            Unauthenticated: nothing.
            Unavailable: that cannot be told now.
        """
        if self._tokens is None and self._web_tokens is None:
            return None if self._certificates else OPEN
        token = bearer_token(metadata)
        if token.startswith(PREFIX):
            if self._tokens is not None:
                return self._tokens.grant(token)
        elif self._web_tokens is not None:
            return await self._web_tokens.grant(token)
        raise Unauthenticated("TOKEN_INVALID", "the token is not known here")

    def of_connection(self, context: Context) -> Grant:
        """Give what the certificate of a call's connection is good for.

        Raises:
            Unauthenticated: nothing.
        """
        assert self._certificates is not None, "only where the metadata do not decide"
        return self._certificates.grant(context)

    async def follow(self) -> None:
        """Keep up with what others may change."""
        if self._web_tokens is not None:
            await self._web_tokens.keys.follow()


def bearer_token(metadata: Metadata) -> str:
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
