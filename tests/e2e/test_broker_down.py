"""The broker goes away and comes back under a running installation."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from harness.mesh import Mesh
from harness.ports import free_port
from harness.rabbit import RabbitNode
from myeye import AsyncClient, Unavailable
from myeye.v1.job_pb2 import STATE_SUCCEEDED


async def test_submit_is_unavailable_while_the_broker_is_down_and_jobs_go_on_when_it_is_back(tmp_path, rabbit_home, grace_hopper):
    named = ("--installation", f"t{uuid.uuid4().hex[:12]}")
    with (
        RabbitNode(tmp_path / "rabbit", server=rabbit_home) as node,
        Mesh(tmp_path / "mesh", broker=node.url, gateway_flags=named, worker_flags=named) as mesh,
    ):
        async with AsyncClient(mesh.target, timeout_s=8) as client:
            # RabbitMQ 3.10 notes on disk that a quorum queue is there about half a second after its declaration; killed
            # before, it never finds the queue's leader again. So some work is done first.
            before = await client.detect([grace_hopper] * 40)
            node.kill()
            with pytest.raises(Unavailable) as caught:
                await client.submit(grace_hopper, request_id="while down")
            assert caught.value.reason == "BROKER_UNAVAILABLE"
            assert (await client.get(before.id)).state == STATE_SUCCEEDED, "what is known is still told"
            mesh.gateways[0].wait_for("health: NOT_SERVING", 20)
            node.start()
        async with AsyncClient(mesh.target, timeout_s=60) as client:
            after = await client.detect(grace_hopper, request_id="while down")
            assert after.state == STATE_SUCCEEDED
            assert len([job async for job in client.list()]) == 2, "the refused call and its repetition are one job"


def test_a_gateway_with_a_broker_that_is_not_there_starts_and_says_so(tmp_path: Path):
    mesh = Mesh(tmp_path, broker=f"amqp://guest:secret@127.0.0.1:{free_port()}/", workers=0)
    gateway = mesh.gateways[0]
    gateway.start()
    gateway.wait_for("health: NOT_SERVING", 30)
    assert gateway.stop() == 0
    assert "secret" not in gateway.log.read_text()
