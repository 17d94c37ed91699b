"""What was seen in the videos of a job."""

from __future__ import annotations

from myeye.aio import AsyncClient
from myeye.frames import Sightings
from myeye.v1.job_pb2 import Job


async def sightings_of(job: Job, client: AsyncClient) -> dict[int, Sightings]:
    """Count what the frames of each video of an ended job show, by item."""
    seen = {}
    for item in job.items:
        if item.HasField("video"):
            seen[item.index] = Sightings()
            async for frame in client.frames(job.id, item.index):
                seen[item.index].add(frame)
    return seen
