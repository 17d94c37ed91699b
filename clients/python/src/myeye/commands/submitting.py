"""Handing in all pictures of a command line."""

from __future__ import annotations

import argparse
from collections.abc import AsyncGenerator

from myeye.aio import AsyncClient
from myeye.arguments import submit_options
from myeye.batches import split
from myeye.progress import Progress
from myeye.v1.job_pb2 import Job


async def submit_all(arguments: argparse.Namespace, client: AsyncClient, progress: Progress) -> AsyncGenerator[Job, None]:
    """Yield each job as it is accepted: one, or more when the pictures do not fit one. Uploads show their progress."""
    limits = (await client.capabilities()).limits
    options = submit_options(arguments)
    for number, pictures in enumerate(split(arguments.pictures, limits)):
        if arguments.request_id and number:
            options["request_id"] = f"{arguments.request_id}.{number}"
        yield await client.submit(pictures, on_upload=progress.show_upload, **options)
