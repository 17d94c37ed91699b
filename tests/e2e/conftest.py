"""Whole installations of real processes, on every broker. Nothing in the tests depends on which."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from harness.mesh import Mesh


@pytest.fixture(params=["embedded", "rabbitmq"])
def mesh_on(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Mesh]:
    """Make a mesh on the broker of this run, under a name of its own."""
    broker = None if request.param == "embedded" else request.getfixturevalue("rabbit_url")
    named = ("--installation", f"t{uuid.uuid4().hex[:12]}")

    def make(*, gateway_flags: tuple[str, ...] = (), worker_flags: tuple[str, ...] = (), **settings: Any) -> Mesh:
        quick = ("--retry-delay", "0.1")
        return Mesh(
            tmp_path / "mesh",
            broker=broker,
            gateway_flags=(*named, *gateway_flags),
            worker_flags=(*named, *quick, *worker_flags),
            **settings,
        )

    return make


@pytest.fixture(scope="session")
def grace_hopper() -> Path:
    """A photograph of a person that matplotlib ships."""
    return Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
