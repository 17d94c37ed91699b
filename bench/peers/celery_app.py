"""Celery with RabbitMQ as its broker and Redis for results (`celery --app bench.peers.celery_app worker`)."""

from __future__ import annotations

import os
import time

from celery import Celery

app = Celery("peer", broker=os.environ["BENCH_AMQP"], backend=os.environ["BENCH_REDIS"])
app.conf.update(
    task_serializer="msgpack",  # bytes as they are; JSON would carry them as base64
    result_serializer="msgpack",
    accept_content=["msgpack"],
    result_accept_content=["msgpack"],
    task_acks_late=True,
    task_default_queue=os.environ["BENCH_QUEUE"],
    worker_prefetch_multiplier=int(os.environ["BENCH_SLOTS"]),
    broker_connection_retry_on_startup=True,
    result_expires=600,
)


def look(picture: bytes) -> int:  # noqa: ARG001
    return time.time_ns()


detect = app.task(name="detect")(look)
