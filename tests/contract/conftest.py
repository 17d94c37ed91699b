"""Every test here runs on every broker or blob store, each on its own names or its own folder."""

from __future__ import annotations

import os
import shutil
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from dispatch.blobs import open_blobs
from dispatch.connect import connect
from dispatch.options import BrokerOptions
from dispatch.ports import BlobStore, Broker
from harness.ports import free_port
from harness.process import Process

ROOT = Path(__file__).parents[2]
AWS_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
START_LIMIT_S = 30.0


@pytest.fixture(params=["embedded", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a broker with nothing in it under the test's own name."""
    if request.param == "embedded":
        return f"embedded://{tmp_path}/broker"
    url: str = request.getfixturevalue("rabbit_url")
    return url


@pytest.fixture
def options(request: pytest.FixtureRequest) -> BrokerOptions:
    """Names of the test's own; a test may set more by indirect parameters."""
    return BrokerOptions(name=f"t{uuid.uuid4().hex[:12]}", lease_s=2.0, **getattr(request, "param", {}))


@pytest.fixture
async def broker(broker_url: str, options: BrokerOptions) -> AsyncIterator[Broker]:
    broker = await connect(broker_url, options)
    yield broker
    await broker.close()


@pytest.fixture
async def another_broker(broker_url: str, options: BrokerOptions) -> AsyncIterator[Broker]:
    """A second connection to the same broker, as another process would have it."""
    broker = await connect(broker_url, options)
    yield broker
    await broker.close()


@pytest.fixture
def other_process(broker_url: str, options: BrokerOptions, tmp_path: Path) -> Iterator[Callable[[str], Process]]:
    """Start another process on the same broker, which does what it is told; see other_process.py."""
    started: list[Process] = []

    def start(task: str) -> Process:
        command = [sys.executable, str(Path(__file__).with_name("other_process.py")), task, broker_url, options.name]
        process = Process(task, command, log=tmp_path / f"{task}.log", environment={"PYTHONPATH": str(ROOT)})
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        if process.running:
            process.kill()


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that speaks the protocol of S3, with one bucket: "pictures"."""
    port = free_port()
    log = tmp_path_factory.mktemp("s3") / "server.log"
    program = shutil.which("moto_server", path=str(Path(sys.executable).parent)) or "moto_server"
    server = Process("moto", [program, "-H", "127.0.0.1", "-p", str(port)], log=log)
    server.start()
    os.environ.update(AWS_KEYS)
    try:
        server.wait_for("Running on", START_LIMIT_S)
        urlopen(Request(f"http://127.0.0.1:{port}/pictures", method="PUT")).close()
        yield f"http://127.0.0.1:{port}"
    finally:
        for key in AWS_KEYS:
            os.environ.pop(key)
        server.kill()


@pytest.fixture(params=["folder", "bucket"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    """An empty blob store."""
    if request.param == "folder":
        return open_blobs(f"file://{tmp_path}/some/blobs")
    return open_blobs(f"s3://pictures/{uuid.uuid4().hex}?endpoint={request.getfixturevalue('s3_endpoint')}&region=us-east-1")


@pytest.fixture(params=["folder", "bucket"])
def unusable_blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    """A blob store whose folder lies below a file, or whose bucket does not exist."""
    if request.param == "folder":
        (tmp_path / "file").touch()
        return open_blobs(f"file://{tmp_path}/file/blobs")
    return open_blobs(f"s3://nowhere?endpoint={request.getfixturevalue('s3_endpoint')}&region=us-east-1")
