"""The real gateway, which dies at one step of one job's Submit: `python tests/e2e/dying_gateway.py JOB WHEN STEP NUMBER FLAG…`

WHEN is "before" or "after"; STEP is "put", "publish", "accepted", "enqueued" or "reply"; NUMBER counts those of the job, from 1.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from dispatch.codec import decode_record
from dispatch.v1.task_pb2 import Task
from gateway import server
from gateway.__main__ import main
from gateway.service import DetectionService

DIED = 86
"""The exit status of one that died where it was told to."""

Step = Callable[..., Awaitable[Any]]


class Fate:
    """Ends the process, as SIGKILL does, right before or right after one call of a step."""

    def __init__(self, job_id: str, when: str, step: str, number: int) -> None:
        self._job_id = job_id
        self._when = when
        self._step = step
        self._left = number

    def on(self, step: str, call: Step, jobs: Callable[..., list[str]]) -> Step:
        """Let calls of this step, if it is the one, come to their end; `jobs` reads from the arguments whose they are."""
        if step != self._step:
            return call

        async def fatal(*arguments: Any, **keywords: Any) -> Any:
            self._left -= jobs(*arguments).count(self._job_id)
            last = self._left == 0 and self._job_id in jobs(*arguments)
            if last and self._when == "before":
                os._exit(DIED)
            outcome = await call(*arguments, **keywords)
            if last:
                os._exit(DIED)
            return outcome

        return fatal


def doom(fate: Fate) -> None:
    """Put the fate around all that the gateway is composed of."""
    open_blobs, connect, submit = server.open_blobs, server.connect, DetectionService.Submit

    def open_mortal_blobs(url: str) -> Any:
        blobs = open_blobs(url)
        blobs.put = fate.on("put", blobs.put, lambda name, data: name.split("/")[1:2])  # type: ignore[method-assign]
        return blobs

    async def connect_mortally(*arguments: Any) -> Any:
        broker: Any = await connect(*arguments)
        broker.tasks.publish = fate.on("publish", broker.tasks.publish, lambda queue, body: [Task.FromString(body).job_id])
        for step in ("accepted", "enqueued"):
            broker.log.append = fate.on(step, broker.log.append, lambda body, step=step: events_in(body, step))
        return broker

    async def submit_mortally(self: DetectionService, request: Any, context: Any) -> Any:
        response = await submit(self, request, context)
        await fate.on("reply", nothing, lambda: [response.job.id])()
        return response

    server.open_blobs = open_mortal_blobs
    server.connect = connect_mortally
    DetectionService.Submit = submit_mortally  # type: ignore[method-assign]


async def nothing() -> None:
    """Do nothing: there is no step after the last."""


def events_in(body: bytes, kind: str) -> list[str]:
    """Name the jobs of a record's events of a kind."""
    return [event.job_id for event in decode_record(body) if type(event).__name__.lower() == kind]


if __name__ == "__main__":
    job_id, when, step, number, *flags = sys.argv[1:]
    doom(Fate(job_id, when, step, int(number)))
    sys.exit(main(flags))
