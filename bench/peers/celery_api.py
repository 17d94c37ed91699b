"""FastAPI before Celery (`uvicorn bench.peers.celery_api:api`)."""

from __future__ import annotations

from fastapi import FastAPI, Request

from bench.peers.celery_app import app, detect

api = FastAPI()


async def create(request: Request) -> dict[str, str]:
    return {"id": detect.delay(await request.body()).id}


def get(job: str) -> dict[str, int | None]:
    found = app.backend.get_task_meta(job)
    return {"done_ns": found["result"] if found["status"] == "SUCCESS" else None}


api.add_api_route("/jobs", create, methods=["POST"], status_code=202)
api.add_api_route("/jobs/{job}", get, methods=["GET"])
