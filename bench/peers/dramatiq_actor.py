"""Dramatiq on RabbitMQ with results in Redis, and no gateway: clients publish to the broker."""

from __future__ import annotations

import time
from typing import Any

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend


def look(picture: bytes) -> int:  # noqa: ARG001
    return time.time_ns()


def declare(amqp: str, redis: str, queue: str) -> Any:
    """Make the actor, the same one at both ends."""
    dramatiq.set_encoder(dramatiq.PickleEncoder())  # JSON cannot carry bytes
    broker = RabbitmqBroker(url=amqp, confirm_delivery=True)
    broker.add_middleware(Results(backend=RedisBackend(url=redis)))
    return dramatiq.actor(look, actor_name="detect", queue_name=queue, store_results=True, max_retries=0, broker=broker)
