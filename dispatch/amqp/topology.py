"""What there is on the broker: names and arguments, with nothing that behaves differently on 3.10 and on 4.x."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from dispatch.options import BrokerOptions
from dispatch.ports import Queue

SHORTEST_DELAY_MS = 250
DEAD_DELIVERY_LIMIT = 1_000_000
"""4.x drops a dead letter after 20 failed deliveries unless told otherwise, and 3.10 knows no "for ever"."""
SETTLE_S = 1.5
"""A node that is killed within a second of a queue's declaration has forgotten what is in it, though it has confirmed that."""
SIGNALS_KEPT = 10_000
SIGNAL_TTL_MS = 60_000


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A durable queue. With `fanout`, an exchange of the same name leads to it. At first it is left empty for `settle_s`."""

    name: str
    arguments: Mapping[str, object]
    fanout: bool = False
    settle_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Route:
    """Where to publish, and the queues that must be there first."""

    exchange: str
    routing_key: str
    queues: tuple[QueueSpec, ...]


class Topology:
    """The names of one installation. The default exchange leads everywhere but to the delays."""

    def __init__(self, options: BrokerOptions) -> None:
        self._options = options
        self._ways: dict[Queue, Route] = {}
        self._name = options.name
        self.signals = f"{options.name}.signals"
        self.probe = f"{options.name}.probe"
        self.dead = QueueSpec(
            f"{options.name}.dead",
            {"x-queue-type": "quorum", "x-overflow": "reject-publish", "x-delivery-limit": DEAD_DELIVERY_LIMIT},
        )
        self.log = QueueSpec(
            f"{options.name}.log",
            {
                "x-queue-type": "stream",
                "x-max-age": f"{math.ceil(options.log_max_age_s)}s",
                "x-max-length-bytes": options.log_max_bytes,
                "x-stream-max-segment-size-bytes": options.log_segment_bytes,
            },
        )
        self.log_route = Route("", self.log.name, (self.log,))

    def tasks(self, queue: Queue) -> QueueSpec:
        """Give a work queue. Its dead letters go to `dead`, which must be declared before it."""
        return QueueSpec(
            f"{self._name}.tasks.{queue.path}",
            {
                "x-queue-type": "quorum",
                "x-delivery-limit": self._options.delivery_limit,
                "x-max-length": self._options.max_queue_length,
                "x-overflow": "reject-publish",
                "x-dead-letter-exchange": "",
                "x-dead-letter-routing-key": self.dead.name,
                "x-dead-letter-strategy": "at-least-once",
            },
        )

    def delay(self, delay_s: float) -> QueueSpec:
        """Give the queue that holds a task for `delay_s` seconds or up to twice as long, then sends it on by its routing key.

        A queue drops what is over age only from its head, so that each length of time needs its own; powers of two keep them few.
        """
        ms = SHORTEST_DELAY_MS << max(0, math.ceil(math.log2(delay_s * 1000 / SHORTEST_DELAY_MS)))
        return QueueSpec(
            f"{self._name}.delay.{ms}",
            {
                "x-queue-type": "quorum",
                "x-message-ttl": ms,
                "x-overflow": "reject-publish",
                "x-dead-letter-exchange": "",
                "x-dead-letter-strategy": "at-least-once",
            },
            fanout=True,
            settle_s=SETTLE_S,  # what waits anyway can wait for this; work queues are there long before
        )

    def route(self, queue: Queue, delay_s: float = 0.0) -> Route:
        """Give the way of a task to its queue."""
        way = self._ways.get(queue)
        if way is None:
            tasks = self.tasks(queue)
            way = self._ways[queue] = Route("", tasks.name, (self.dead, tasks))
        if delay_s <= 0:
            return way
        delay = self.delay(delay_s)
        return Route(delay.name, way.routing_key, (*way.queues, delay))
