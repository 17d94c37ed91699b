"""What all tests share: one private RabbitMQ, or another server that the environment names.

MYEYE_TEST_AMQP_URL        use this running broker instead of a private one
MYEYE_TEST_RABBITMQ_HOME   start the private one from this server directory (of RabbitMQ 3.13 or 4, say)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from harness.rabbit import RabbitNode

# The check must say the same of the same code every time; `pytest --hypothesis-profile=search` looks further.
hypothesis.settings.register_profile("check", derandomize=True, deadline=None)
hypothesis.settings.register_profile("search", max_examples=5000, deadline=None)
hypothesis.settings.load_profile("check")

HERE = Path(__file__).parent
QUICK = frozenset({"rpc", "unit"})


@pytest.fixture(scope="session")
def rabbit_home() -> Path | None:
    """The server directory to start private nodes from; None means the installed one."""
    home = os.environ.get("MYEYE_TEST_RABBITMQ_HOME")
    return Path(home) if home else None


@pytest.fixture(scope="session")
def rabbit_url(tmp_path_factory: pytest.TempPathFactory, rabbit_home: Path | None) -> Iterator[str]:
    """The address of a RabbitMQ for all tests that do not harm it."""
    if url := os.environ.get("MYEYE_TEST_AMQP_URL"):
        yield url
        return
    with RabbitNode(tmp_path_factory.mktemp("rabbit"), server=rabbit_home) as node:
        yield node.url


@pytest.fixture(scope="session")
def video_at() -> Callable[..., Path]:
    """Make a video of a person who goes to the right, 10 frames a second, at a path whose ending says which container."""
    import cv2
    import matplotlib
    import numpy as np

    photo = cv2.imread(str(Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")))

    def make(path: Path, *, codec: str = "mp4v", frames: int = 10, size: tuple[int, int] = (320, 240), fps: float = 10.0) -> Path:
        width, height = size
        person = cv2.resize(photo, (height * 512 // 600, height))
        room = max(1, width - person.shape[1])
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), fps, size)
        assert writer.isOpened()
        for number in range(frames):
            canvas = np.full((height, width, 3), 90, np.uint8)
            left = 4 * number % room
            shown = person[:, : width - left]
            canvas[:, left : left + shown.shape[1]] = shown
            writer.write(canvas)
        writer.release()
        return path

    return make


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long ones first, so that no process of several is still busy with one when the others are done."""

    def key(item: pytest.Item) -> tuple[bool, bool]:
        return item.get_closest_marker("long") is None, item.path.relative_to(HERE).parts[0] in QUICK

    items.sort(key=key)
