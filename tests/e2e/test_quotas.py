"""Quotas through the edge, over two gateways: what HTTP says of them, and that they hold whichever gateway answers."""

from __future__ import annotations

import asyncio
import http.client
import json
from pathlib import Path
from typing import Any

from harness.mesh import Mesh
from myeye import AsyncClient

JOBS = 4


def call(target: str, method: str, path: str, body: bytes = b"") -> tuple[int, dict[str, str], Any]:
    """Make one HTTP request; give the status, the headers in lower case, and the JSON."""
    connection = http.client.HTTPConnection(target, timeout=60)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, json.loads(answer.read())
    finally:
        connection.close()


async def test_quotas_hold_over_two_gateways_and_http_is_told_when_to_come_again(tmp_path: Path) -> None:
    flags = ("--quota", f"jobs={JOBS},watches=1")
    with Mesh(tmp_path / "mesh", gateways=2, workers=0, edge=True, gateway_flags=flags) as mesh:
        target = mesh.edge_target
        submitting = (asyncio.to_thread(call, target, "POST", "/v1/images?name=p", b"picture") for _ in range(3 * JOBS))
        answers = await asyncio.gather(*submitting)
        accepted = [answer["job"]["id"] for status, _, answer in answers if status == 200]
        refused = [(headers, answer) for status, headers, answer in answers if status == 429]
        assert len(accepted) + len(refused) == 3 * JOBS
        assert 1 <= len(accepted) <= JOBS
        assert refused
        for headers, answer in refused:
            assert int(headers["retry-after"]) >= 1
            assert answer["details"][0]["reason"] == "QUOTA_JOBS"

        async with AsyncClient(mesh.target) as client:
            watching = client.watch(accepted[0])
            await anext(watching)
            status = 200
            while status == 200:  # the other gateway answered, and has not been told yet
                path = f"/v1/jobs/{accepted[0]}:wait?timeout=0.1s"
                status, headers, answer = await asyncio.to_thread(call, target, "GET", path)
            assert (status, answer["details"][0]["reason"]) == (429, "TOO_MANY_WATCHES")
            assert int(headers["retry-after"]) >= 1
            await watching.aclose()
