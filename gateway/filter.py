"""Which jobs a call is about: the filters of List and of RetryMany."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dispatch.codec import nanoseconds
from dispatch.lifecycle import Item, Job, State
from gateway.errors import InvalidRequest, Violation
from gateway.limits import Limits
from myeye.v1.detection_service_pb2 import ListRequest, RetryFilter

_REASON = re.compile(r"[A-Z][A-Z0-9_]{0,62}")

FAILED_STATES = frozenset({State.FAILED, State.PARTIALLY_SUCCEEDED})
UNSUCCESSFUL_STATES = FAILED_STATES | {State.CANCELLED, State.EXPIRED}


@dataclass(frozen=True, slots=True)
class Span:
    """From a time on, up to and without another, in nanoseconds since 1970; None is open."""

    from_ns: int | None
    until_ns: int | None

    def has(self, time_ns: int | None) -> bool:
        if self == ALWAYS:
            return True
        return (
            time_ns is not None
            and (self.from_ns is None or self.from_ns <= time_ns)
            and (self.until_ns is None or time_ns < self.until_ns)
        )


ALWAYS = Span(None, None)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs are meant; an empty field lets all pass."""

    states: frozenset[int] = frozenset()
    model: str = ""
    labels: tuple[tuple[str, str | None], ...] = ()
    reasons: frozenset[str] = frozenset()
    created: Span = ALWAYS
    ended: Span = ALWAYS
    principal: str = ""

    @classmethod
    def of(cls, request: ListRequest | RetryFilter, limits: Limits) -> Filter:
        """Read a filter.

        Raises:
            InvalidRequest: with every violation.
        """
        if violations := tuple(_violations(request, limits)):
            raise InvalidRequest(*violations)
        return cls(
            states=frozenset(request.states),
            model=request.model,
            labels=read_labels(request.labels),
            reasons=frozenset(request.reasons),
            created=_span(request, "create_time"),
            ended=_span(request, "end_time"),
            principal=request.principal,
        )

    def passes(self, job: Job) -> bool:
        return (
            (not self.states or job.state in self.states)
            and (not self.model or job.spec.model == self.model)
            and (not self.principal or job.spec.principal == self.principal)
            and all(self._has(job, key, value) for key, value in self.labels)
            and self.created.has(job.accepted_ns)
            and self.ended.has(job.ended_ns)
            and (not self.reasons or any(map(self.failed, job.items)))
        )

    @staticmethod
    def _has(job: Job, key: str, value: str | None) -> bool:
        return any(key == has and value in (None, held) for has, held in job.spec.labels)

    def failed(self, item: Item) -> bool:
        """Tell whether an item ended without success, for one of the reasons if there are some."""
        if not item.state.terminal or item.failure is None:
            return False
        return not self.reasons or item.failure.reason in self.reasons

    def digest(self, *asked: object) -> bytes:
        """Hash what is asked for, with who asks and how: a page token is good for the same question only."""
        question = (
            asked,
            sorted(self.states),
            self.model,
            self.labels,
            sorted(self.reasons),
            self.created,
            self.ended,
            self.principal,
        )
        return hashlib.sha256(repr(question).encode()).digest()[:8]


def read_labels(selectors: Iterable[str]) -> tuple[tuple[str, str | None], ...]:
    """Read label selectors, each "key=value", or "key" for any value (None).

    Raises:
        InvalidRequest: some have no key.
    """
    selectors = tuple(selectors)
    if violations := tuple(_bad_labels(selectors)):
        raise InvalidRequest(*violations)
    parts = (selector.partition("=") for selector in selectors)
    return tuple(sorted(((key, value if equals else None) for key, equals, value in parts), key=repr))


def _bad_labels(selectors: Iterable[str]) -> Iterator[Violation]:
    for index, selector in enumerate(selectors):
        if not selector.partition("=")[0]:
            yield Violation(f"labels[{index}]", 'must be "key=value" or "key"')


def _violations(request: ListRequest | RetryFilter, limits: Limits) -> Iterator[Violation]:
    yield from _bad_labels(request.labels)
    if len(request.reasons) > limits.max_reasons:
        yield Violation("reasons", f"must be at most {limits.max_reasons}, not {len(request.reasons)}")
    for index, reason in enumerate(request.reasons):
        if not _REASON.fullmatch(reason):
            yield Violation(f"reasons[{index}]", "must be a reason in upper snake case, such as WORKER_LOST")
    for name in ("create_time", "end_time"):
        span = _span(request, name)
        if span.from_ns is not None and span.until_ns is not None and span.from_ns >= span.until_ns:
            yield Violation(f"{name}_until", f"must be after {name}_from")


def _span(request: ListRequest | RetryFilter, name: str) -> Span:
    ends = (f"{name}_from", f"{name}_until")
    return Span(*(nanoseconds(getattr(request, end)) if request.HasField(end) else None for end in ends))  # type: ignore[arg-type]
