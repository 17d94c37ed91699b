"""RabbitMQ with the settings, secrets and permissions of a deployment: it starts, keeps strangers out, and is enough for us."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pika
import pytest
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker

from dispatch.connect import connect
from dispatch.options import BrokerOptions
from dispatch.ports import Lane, Queue
from harness.mesh import Mesh
from harness.rabbit import RabbitNode
from myeye import Client
from myeye.v1.job_pb2 import STATE_SUCCEEDED
from scripts.make_secrets import make


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, rabbit_home: Path | None) -> Iterator[tuple[RabbitNode, Path]]:
    """A node as deployed, and the file that holds its address."""
    folder = tmp_path_factory.mktemp("deployed")
    secrets = folder / "secrets"
    make(secrets)
    node = RabbitNode(folder / "node", server=rabbit_home, definitions=secrets / "broker-definitions.json")
    address = secrets / "broker"
    address.write_text(address.read_text().replace("rabbitmq:5672", f"127.0.0.1:{node.port}"))
    with node:
        yield node, address


def test_nobody_but_our_user_is_let_in(deployed: tuple[RabbitNode, Path]):
    node, _ = deployed
    assert "guest" not in node.ctl("list_users")
    assert node.ctl("list_users").split()[-2:] == ["myeye", "[]"]
    with pytest.raises(AMQPConnectionError):
        pika.BlockingConnection(pika.URLParameters(node.url))


def test_our_user_may_touch_nothing_but_ours(deployed: tuple[RabbitNode, Path]):
    _, address = deployed
    with pika.BlockingConnection(pika.URLParameters(address.read_text().strip())) as connection:
        with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
            connection.channel().queue_declare("another")
        connection.channel().queue_declare("myeye.trial", durable=True)


def test_its_settings_are_in_force(deployed: tuple[RabbitNode, Path]):
    node, _ = deployed
    told = {
        name: node.ctl("eval", f"application:get_env(rabbit, {name}).").strip()
        for name in ("dead_letter_worker_publisher_confirm_timeout", "max_message_size", "auth_mechanisms")
    }
    assert told == {
        "dead_letter_worker_publisher_confirm_timeout": "{ok,5000}",
        "max_message_size": "{ok,16777216}",
        "auth_mechanisms": "{ok,['PLAIN']}",
    }
    with urlopen(f"http://127.0.0.1:{node.metrics_port}/metrics", timeout=60) as metrics:
        assert b"rabbitmq_identity_info" in metrics.read()


async def test_our_user_may_have_a_task_wait(deployed: tuple[RabbitNode, Path]):
    _, address = deployed
    broker = await connect(address.read_text().strip(), BrokerOptions(name="myeye"))
    try:
        queue = Queue("a-model", Lane.NORMAL)
        async with asyncio.timeout(60):
            await broker.tasks.publish(queue, b"later", delay_s=0.25)
            async with broker.tasks.consume([queue], prefetch=1) as consumer:
                async for delivery in consumer:
                    assert delivery.body == b"later"
                    await delivery.ack()
                    break
    finally:
        await broker.close()


def test_gateway_and_worker_do_with_its_permissions_and_a_file(
    deployed: tuple[RabbitNode, Path], tmp_path: Path, grace_hopper: Path
):
    _, address = deployed
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    with Mesh(tmp_path / "mesh", broker=address) as mesh, Client(mesh.target) as client:
        assert client.detect(grace_hopper).state == STATE_SUCCEEDED
        assert client.detect(broken).items[0].error.code, "what cannot be read has failed, and is told"
        password = address.read_text().split("@")[0].rpartition(":")[2]
        for process in mesh.processes:
            assert password not in Path(f"/proc/{process.pid}/cmdline").read_text()
            assert password not in Path(f"/proc/{process.pid}/environ").read_text()
            assert password not in process.log.read_text()
