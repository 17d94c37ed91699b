"""List: filters and page tokens."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from dispatch.lifecycle import Job
from gateway.errors import InvalidRequest, Violation
from gateway.ids import is_job_id
from gateway.limits import Defaults, Limits
from gateway.store import Key, Store
from myeye.v1.detection_service_pb2 import ListRequest

_TOKEN = struct.Struct(">8sQ26s")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs to list; an empty field lets all pass."""

    states: frozenset[int]
    model: str
    labels: tuple[tuple[str, str | None], ...]

    @classmethod
    def of(cls, request: ListRequest) -> Filter:
        return cls(frozenset(request.states), request.model, read_labels(request.labels))

    def passes(self, job: Job) -> bool:
        return (
            (not self.states or job.state in self.states)
            and (not self.model or job.spec.model == self.model)
            and all(self._has(job, key, value) for key, value in self.labels)
        )

    @staticmethod
    def _has(job: Job, key: str, value: str | None) -> bool:
        return any(key == has and value in (None, held) for has, held in job.spec.labels)

    def digest(self, principal: str) -> bytes:
        """Hash who asks and for what: a token is good for the same question only."""
        asked = (principal, sorted(self.states), self.model, self.labels)
        return hashlib.sha256(repr(asked).encode()).digest()[:8]


def read_labels(selectors: Iterable[str]) -> tuple[tuple[str, str | None], ...]:
    """Read label selectors, each "key=value", or "key" for any value (None).

    Raises:
        InvalidRequest: one has no key.
    """
    labels: list[tuple[str, str | None]] = []
    for index, selector in enumerate(selectors):
        key, equals, value = selector.partition("=")
        if not key:
            raise InvalidRequest(Violation(f"labels[{index}]", 'must be "key=value" or "key"'))
        labels.append((key, value if equals else None))
    return tuple(sorted(labels, key=repr))


def page(store: Store, principal: str, request: ListRequest, limits: Limits, defaults: Defaults) -> tuple[list[Job], str]:
    """Give one page of jobs, newest first, and the token of the next ("" on the last).

    Raises:
        InvalidRequest: the page size is negative, the token is not ours or of another question, or a label selector is malformed.
    """
    if request.page_size < 0:
        raise InvalidRequest(Violation("page_size", "must not be negative"))
    size = min(request.page_size or defaults.page_size, limits.max_page_size)
    wanted = Filter.of(request)
    before = _read_token(request.page_token, wanted.digest(principal)) if request.page_token else None
    jobs = list(islice(filter(wanted.passes, store.newest_first(principal, before)), size + 1))
    if len(jobs) <= size:
        return jobs, ""
    last = jobs[size - 1]
    return jobs[:size], _token(wanted.digest(principal), (last.accepted_ns, last.id))


def _token(digest: bytes, key: Key) -> str:
    return base64.urlsafe_b64encode(_TOKEN.pack(digest, key[0], key[1].encode())).decode().rstrip("=")


def _read_token(token: str, digest: bytes) -> Key:
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        asked, accepted_ns, job_id = _TOKEN.unpack(base64.b64decode(padded, altchars=b"-_", validate=True))
        text = job_id.decode("ascii")
    except (UnicodeError, binascii.Error, struct.error) as error:
        raise InvalidRequest(Violation("page_token", "is not a token of List")) from error
    if not is_job_id(text):
        raise InvalidRequest(Violation("page_token", "is not a token of List"))
    if asked != digest:
        raise InvalidRequest(Violation("page_token", "belongs to other filters"))
    return accepted_ns, text
