"""The ports: what the gateway and the worker ask of a broker. `dispatch.connect` gives an implementation.

Bodies are opaque bytes here; `dispatch.codec` gives them meaning. Delivery is at-least-once everywhere.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple, Protocol


class Lane(IntEnum):
    """A priority level, numbered as myeye.v1.Priority."""

    LOW = 1
    NORMAL = 2
    HIGH = 3


class Kind(StrEnum):
    """What a task looks at. Videos wait apart from pictures, so that a long one keeps no picture waiting.

    What is to be fetched waits apart from both: it takes as long as somebody else's server does, and not every worker may.
    """

    PICTURE = "picture"
    VIDEO = "video"
    REMOTE = "remote"


@dataclass(frozen=True, slots=True)
class Queue:
    """A work queue: one for each model, lane, kind and share (see `dispatch.shares`)."""

    model: str
    lane: Lane
    kind: Kind = Kind.PICTURE
    share: int = 0

    @property
    def path(self) -> str:
        """Name it within an installation."""
        kind = "" if self.kind is Kind.PICTURE else f".{self.kind}"
        share = f".{self.share}" if self.share else ""
        return f"{self.model}.{self.lane.name.lower()}{kind}{share}"


class Delivery(Protocol):
    """One task, held until it is acked, rejected or released.

    None of the three raises: when the hold was lost meanwhile (connection gone, lease over), they do nothing, for the
    broker delivers the task again.
    """

    @property
    def body(self) -> bytes: ...

    @property
    def queue(self) -> Queue | None:
        """Where it came from; None for a dead letter."""

    @property
    def redelivered(self) -> bool:
        """Whether an earlier holder may have begun it."""

    @property
    def reason(self) -> str:
        """Of a dead letter: why it is one ("rejected", "delivery_limit"). Otherwise empty."""

    async def ack(self) -> None:
        """Done: forget it."""

    async def reject(self) -> None:
        """Never to be delivered again: make it a dead letter."""

    async def release(self) -> None:
        """Not begun: let another have it."""


class Consumer(Protocol):
    """Deliveries as they come, through broker restarts. The iteration ends after `stop`."""

    def __aiter__(self) -> AsyncIterator[Delivery]: ...

    async def stop(self) -> None:
        """Ask for no more. What was delivered before can still be acked."""


class TaskQueue(Protocol):
    """Durable queues with competing consumers."""

    async def publish(self, queue: Queue, body: bytes, *, delay_s: float = 0.0) -> None:
        """Return once the task is durable; it is delivered after `delay_s` seconds at the earliest.

        Raises:
            QueueFull: the queue is at its limit; nothing was kept.
            BrokerUnavailable: not confirmed; it may or may not be there.
        """

    def consume(self, queues: Sequence[Queue], *, prefetch: int) -> AbstractAsyncContextManager[Consumer]:
        """Take tasks from `queues`, holding at most `prefetch` of each. Leaving the context gives back what is still held."""

    def dead_letters(self, *, prefetch: int) -> AbstractAsyncContextManager[Consumer]:
        """Take the dead letters of all queues."""

    async def depth(self, queue: Queue) -> int:
        """Count the tasks that wait in `queue`, held and delayed ones left out.

        Raises:
            BrokerUnavailable: the broker did not answer.
        """


class Record(NamedTuple):
    """What was appended at once. Positions grow along the log, and are the same for every reader of it."""

    position: int
    body: bytes


class EventLog(Protocol):
    """One append-only log, the same order for every reader."""

    async def append(self, body: bytes) -> None:
        """Return once the record is durable. Many may be under way at once.

        Raises:
            BrokerUnavailable: not confirmed; it may or may not be there.
        """

    def read(self, *, lookback_s: float | None = None) -> AsyncIterator[Sequence[Record]]:
        """Yield the records in order, in batches as they come, and go on for ever, through broker restarts.

        Start at the first record, or, given `lookback_s`, at one not younger than so many seconds (or the oldest kept).

        Raises:
            LogTruncated: records after the last one yielded are gone.
        """

    async def oldest(self) -> int:
        """Give the position that a reader begins at now: what was before it has been dropped, for its age or for lack of room.

        Raises:
            BrokerUnavailable: the broker did not answer.
        """


class Signals(Protocol):
    """A bulletin: told once to whoever listens now. Nothing is kept, anything may be lost."""

    async def publish(self, body: bytes) -> None:
        """Tell it, or drop it when the broker is away. Never raises for that, never waits for a confirm."""

    def subscribe(self) -> AsyncIterator[bytes]:
        """Yield what is told from now on, through broker restarts."""


class Broker(Protocol):
    """A connection to a broker, made again by itself whenever it breaks."""

    @property
    def tasks(self) -> TaskQueue: ...

    @property
    def log(self) -> EventLog: ...

    @property
    def signals(self) -> Signals: ...

    @property
    def available(self) -> bool:
        """Whether it could confirm something now."""

    async def close(self) -> None: ...


CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob as a listing tells of it; `modified_ns` is when it was stored, by the store's clock (nanoseconds since 1970)."""

    name: str
    size_bytes: int
    modified_ns: int


class BlobStore(Protocol):
    """Named bytes: what is handed in, and what was drawn. Names are made by the gateway: "jobs/<job id>/<item>/<what>"."""

    async def put(self, name: str, data: bytes) -> None:
        """Store, or replace. Returns once the bytes would survive a power cut.

        Raises:
            BlobUnavailable: the store is away, full or read-only.
        """

    async def write(self, name: str, chunks: AsyncIterable[bytes]) -> None:
        """Store, or replace, what `chunks` gives, in as much memory as a few of them and 16 MiB take; raises as `put`.

        The name is seen with all of it or not at all: nothing is stored if `chunks` raises, which is passed on, or if the
        call is cancelled.
        """

    async def get(self, name: str) -> bytes:
        """Read it all.

        Raises:
            BlobNotFound: there is none of this name.
            BlobUnavailable: the store did not answer.
        """

    def read(self, name: str) -> AsyncGenerator[bytes, None]:
        """Yield it from the beginning to the end, in chunks of at most CHUNK_BYTES, never more than a few of them in memory.

        What was there when the first chunk was read is what is read, whatever replaces or deletes it meanwhile. Raises as
        `get`; BlobNotFound only instead of the first chunk.
        """

    async def copy(self, source: str, target: str) -> None:
        """Store the bytes of `source` as `target` too, as durable as `put`. Raises as `get` and `put`."""

    async def list(self, prefix: str) -> Sequence[Blob]:
        """Tell of all whose names begin with `prefix`, which ends with "/", in no order.

        Raises:
            BlobUnavailable: the store did not answer.
        """

    async def delete(self, name: str) -> None:
        """Remove one. None there is fine. Raises as `list`."""

    async def delete_prefix(self, prefix: str) -> None:
        """Remove all whose names begin with `prefix`, which ends with "/". None there is fine. Raises as `list`."""

    async def check(self) -> None:
        """Write, read and delete a probe.

        Raises:
            ConfigurationError: the store cannot be used as configured.
            BlobUnavailable: the store did not answer.
        """
