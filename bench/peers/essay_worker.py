"""The worker of that design: `python -m bench.peers.essay_worker URL QUEUE PREFETCH`"""

from __future__ import annotations

import json
import sys
import time
from typing import Any
from urllib.request import Request, urlopen

import pika


def look(channel: Any, method: Any, _properties: Any, body: bytes) -> None:
    """Fetch the picture, hand back the result, acknowledge."""
    task = json.loads(body)
    with urlopen(task["picture"]) as picture:  # noqa: S310
        picture.read()
    done = str(time.time_ns()).encode()
    with urlopen(Request(task["result"], done, method="PUT")):  # noqa: S310
        channel.basic_ack(method.delivery_tag)


def work(url: str, queue: str, prefetch: int) -> None:
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    channel.queue_declare(queue, durable=True)
    channel.basic_qos(prefetch_count=prefetch)
    channel.basic_consume(queue, look)
    print("ready", flush=True)
    channel.start_consuming()


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], int(sys.argv[3]))
