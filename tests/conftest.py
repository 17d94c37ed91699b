"""What all tests share: one private RabbitMQ, or another server that the environment names.

MYEYE_TEST_AMQP_URL        use this running broker instead of a private one
MYEYE_TEST_RABBITMQ_HOME   start the private one from this server directory (of RabbitMQ 3.13 or 4, say)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from harness.rabbit import RabbitNode

# The check must say the same of the same code every time; `pytest --hypothesis-profile=search` looks further.
hypothesis.settings.register_profile("check", derandomize=True, deadline=None)
hypothesis.settings.register_profile("search", max_examples=5000, deadline=None)
hypothesis.settings.load_profile("check")


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
