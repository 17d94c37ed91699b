"""Page tokens: where the next page goes on, and which question they belong to."""

from __future__ import annotations

import base64
import binascii
import struct

from gateway.errors import InvalidRequest, Violation
from gateway.ids import is_job_id
from gateway.store import Key

_TOKEN = struct.Struct(">8sQ26s")


def write_token(digest: bytes, key: Key) -> str:
    """Make the token of the page after a job; `digest` is of the question."""
    return base64.urlsafe_b64encode(_TOKEN.pack(digest, key[0], key[1].encode())).decode().rstrip("=")


def read_token(token: str, digest: bytes) -> Key | None:
    """Give the place after which the page begins; None is the beginning of the first.

    Raises:
        InvalidRequest: it is no token, or one of another question.
    """
    if not token:
        return None
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        asked, accepted_ns, job_id = _TOKEN.unpack(base64.b64decode(padded, altchars=b"-_", validate=True))
        text = job_id.decode("ascii")
    except (UnicodeError, binascii.Error, struct.error) as error:
        raise InvalidRequest(Violation("page_token", "is not a token of this method")) from error
    if not is_job_id(text):
        raise InvalidRequest(Violation("page_token", "is not a token of this method"))
    if asked != digest:
        raise InvalidRequest(Violation("page_token", "belongs to other filters"))
    return accepted_ns, text
