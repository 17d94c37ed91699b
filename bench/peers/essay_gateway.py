"""The design that this project began from: a thin gateway, a queue, and workers that fetch pictures and hand results back.

It promises nothing: what is published is neither confirmed nor persistent, a result is a file, and clients ask for it.
`uvicorn bench.peers.essay_gateway:api`
"""

from __future__ import annotations

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse

from bench.raw_stack import open_channel

FOLDER = Path(os.environ["BENCH_FOLDER"])
QUEUE = os.environ["BENCH_QUEUE"]


@asynccontextmanager
async def connected(api: FastAPI) -> AsyncIterator[None]:
    api.state.channel = await open_channel(os.environ["BENCH_AMQP"])
    declared = asyncio.get_running_loop().create_future()
    api.state.channel.queue_declare(QUEUE, durable=True, callback=declared.set_result)
    await declared
    yield
    api.state.channel.connection.close()


api = FastAPI(lifespan=connected)


async def create(request: Request) -> dict[str, str]:
    job = uuid.uuid4().hex
    (FOLDER / job).write_bytes(await request.body())
    url = f"{request.base_url}jobs/{job}"
    task = {"picture": f"{url}/picture", "result": f"{url}/result"}
    api.state.channel.basic_publish("", QUEUE, json.dumps(task))
    return {"id": job}


async def picture(job: str) -> FileResponse:
    return FileResponse(FOLDER / job)


async def keep(job: str, request: Request) -> None:
    (FOLDER / f"{job}.result").write_bytes(await request.body())


async def get(job: str) -> dict[str, int | None]:
    result = FOLDER / f"{job}.result"
    return {"done_ns": int(text) if result.exists() and (text := result.read_text()) else None}


api.add_api_route("/jobs", create, methods=["POST"])
api.add_api_route("/jobs/{job}/picture", picture, methods=["GET"])
api.add_api_route("/jobs/{job}/result", keep, methods=["PUT"])
api.add_api_route("/jobs/{job}", get, methods=["GET"])
