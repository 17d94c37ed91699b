"""A webhook is called by real gateways, on every broker, also when the one that calls is killed in the middle."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.webhook_message import headers_of
from harness.https import Asked, Authority, ok, serving
from myeye import AsyncClient
from myeye.v1.job_pb2 import WEBHOOK_STATE_DELIVERED, Job

LIMIT_S = 60.0


def signed_with(secret: bytes, asked: Asked) -> bool:
    content = f"{asked.headers['webhook-id']}.{asked.headers['webhook-timestamp']}.".encode() + asked.body
    return asked.headers["webhook-signature"] == f"v1,{base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()}"


async def delivered(client: AsyncClient, job_id: str) -> Job:
    async with asyncio.timeout(LIMIT_S):
        while True:
            job = await client.get(job_id)
            if job.webhook.state == WEBHOOK_STATE_DELIVERED:
                return job
            await asyncio.sleep(0.1)


async def test_a_gateway_that_is_killed_while_it_calls_is_followed_by_another(
    mesh_on, grace_hopper: Path, tmp_path: Path
) -> None:
    secret, authority = os.urandom(32), Authority(tmp_path)
    secrets = tmp_path / "webhook-secrets.toml"
    secrets.write_text(f'"*" = ["whsec_{base64.b64encode(secret).decode()}"]')

    async def silent(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with serving(authority.server("localhost")) as host:
        host.answers["/hook"] = silent
        flags = ("--webhooks-to", host.url(""), "--webhook-secrets", str(secrets), "--webhook-timeout", "2")
        networks = ("--internal-networks", "127.0.0.0/8,::1/128", "--egress-ca", str(authority.ca))
        with mesh_on(gateways=2, gateway_flags=(*flags, *networks)) as mesh:
            async with AsyncClient(mesh.targets[0]) as client:
                job = await client.submit(grace_hopper, webhook=host.url("/hook?key=s3cr3t"))
                async with asyncio.timeout(LIMIT_S):
                    await host.until_asked(1)
            await asyncio.to_thread(mesh.gateways[0].kill)
            host.answers["/hook"] = ok(b"")
            async with AsyncClient(mesh.targets[1]) as client:
                after = await delivered(client, job.id)
                events = [event async for event in client.watch(job.id, after_sequence=0)]
            logs = "".join(log.read_text() for log in mesh.folder.glob("*.log"))
    assert after.webhook.attempts == len(host.asked) == 2
    assert {asked.headers["webhook-id"] for asked in host.asked} == {f"job_{job.id}"}
    assert all(signed_with(secret, asked) for asked in host.asked)
    assert not re.search("s3cr3t|whsec_", logs)
    assert len(events) == after.last_sequence


def verifiers() -> dict[str, str]:
    """Give the code that the documentation shows, by language."""
    page = Path(__file__).parents[2] / "docs" / "webhooks.md"
    return dict(re.findall(r"```(python|js)\n(.*?)```", page.read_text(), re.DOTALL))


@pytest.mark.parametrize("language", ["python", "js"])
@pytest.mark.parametrize("trick", ["", "body", "old"])
def test_what_the_documentation_shows_verifies(language: str, trick: str) -> None:
    secret = os.urandom(32)
    now_s = int(time.time()) - (301 if trick == "old" else 0)
    body = '{"type":"job.succeeded","who":"küche"}'.encode()
    headers = dict(headers_of("abc", body, [os.urandom(24), secret], now_s))
    given = [f"whsec_{base64.b64encode(secret).decode()}", headers, (body + b" " * (trick == "body")).decode()]
    if language == "python":
        code, command = (
            "import json, sys\nsecret, headers, body = json.load(sys.stdin)\nverify(secret, headers, body.encode())",
            [sys.executable],
        )
    else:
        code = 'const [s, h, b] = JSON.parse(require("node:fs").readFileSync(0)); verify(s, h, Buffer.from(b));'
        command = ["node"]
    flag = "-c" if language == "python" else "-e"
    ran = subprocess.run(
        [*command, flag, f"{verifiers()[language]}\n{code}"],
        input=json.dumps(given).encode(),
        capture_output=True,
        timeout=LIMIT_S,
    )
    assert (ran.returncode == 0) is (not trick), ran.stderr.decode()
    why = {"": "", "body": "not from myeye", "old": "too old"}[trick]
    assert why in ran.stderr.decode()
