"""Identifiers of jobs: 128 bits, derived where the caller wants one call to make one job."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

_SHAPE = re.compile(r"[a-z2-7]{26}")


def job_id(principal: str, method: str, request_id: str) -> str:
    """Derive a job's id from who asks and the request_id, so that two gateways agree without talking; random without one."""
    if not request_id:
        return _text(secrets.token_bytes(16))
    parts = (part.encode() for part in (principal, method, request_id))
    return _text(hashlib.sha256(b"".join(len(part).to_bytes(4) + part for part in parts)).digest()[:16])


def is_job_id(text: str) -> bool:
    """Tell whether it could be one."""
    return _SHAPE.fullmatch(text) is not None


def _text(data: bytes) -> str:
    return base64.b32encode(data).decode().lower().rstrip("=")
