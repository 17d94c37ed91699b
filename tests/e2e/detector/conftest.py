"""Pools to try: of real detectors, and of ones that misbehave when told to."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import pytest
import pytest_asyncio

from dispatch.backoff import Backoff
from worker.detection import DetectOutcome, DetectRequest, Model, Stage
from worker.models import ModelFile, find
from worker.orders import Orders
from worker.pool import Pool
from worker.process import Launch
from worker.sandbox import MEMORY_BYTES
from worker.wire import DETECTOR

LIMIT_S = 30.0
MAX_PIXELS = 10_000_000
FAULTY = Path(__file__).with_name("faulty.py")


@dataclass
class Asked:
    """A request under way, and the stages that it came to."""

    pool: Pool
    request: DetectRequest
    timeout_s: float
    stages: asyncio.Queue[Stage] = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        self.task = asyncio.create_task(self.pool.detect(self.request, on_stage=self.stages.put_nowait, timeout_s=self.timeout_s))

    async def outcome(self) -> DetectOutcome:
        async with asyncio.timeout(LIMIT_S):
            return await self.task

    async def came_to(self, stage: Stage) -> None:
        async with asyncio.timeout(LIMIT_S):
            while await self.stages.get() is not stage:
                pass


def ask(pool: Pool, picture: bytes, *, timeout_s: float = LIMIT_S, **options: object) -> Asked:
    wanted = {
        "score_threshold": None,
        "max_results": 100,
        "category_allowlist": (),
        "category_denylist": (),
        "annotate": False,
        **options,
    }
    return Asked(pool, DetectRequest(picture=picture, **wanted), timeout_s)  # type: ignore[arg-type]


@pytest.fixture(name="ask")
def ask_fixture() -> Callable[..., Asked]:
    """Begin to detect; the result is an Asked."""
    return ask


@pytest.fixture(scope="module")
def model_file() -> ModelFile:
    return registered("efficientdet-lite0")


def registered(name: str) -> ModelFile:
    folder = os.environ.get("MYEYE_MODELS") or "~/.cache/myeye/models"
    return find(name, None, Path(folder).expanduser())


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["efficientdet-lite0", "efficientdet-lite0-litert"])
async def pool(request: pytest.FixtureRequest) -> AsyncIterator[Pool]:
    """One real detector, in each engine."""
    async with started(Pool.of(registered(request.param), detectors=1, max_pixels=MAX_PIXELS)) as pool:
        yield pool


FaultyPool = Callable[..., AbstractAsyncContextManager[Pool]]


@pytest.fixture
def faulty_pool() -> FaultyPool:
    """Make pools of detectors that do as their pictures say."""

    def make(
        mode: str = "well", *, detectors: int = 1, cancel_s: float = 0.05, start_s: float = LIMIT_S, program: str = sys.executable
    ) -> Pool:
        model = Model("faulty", "00" * 32, 0.5, ("cat",))
        orders = Orders(-1, MEMORY_BYTES, MAX_PIXELS, Path("none"), model)
        launch = Launch(orders, (program, str(FAULTY), mode), DETECTOR, "detector", start_s)
        return Pool(launch, model, detectors=detectors, backoff=Backoff(base_s=0.001, cap_s=0.01), cancel_s=cancel_s)

    return lambda *args, **options: started(make(*args, **options))


@asynccontextmanager
async def started(pool: Pool) -> AsyncIterator[Pool]:
    try:
        async with asyncio.timeout(LIMIT_S):
            await pool.start()
        yield pool
    finally:
        await pool.close()


@pytest.fixture
def person() -> bytes:
    """A photograph of a person, 512x600, that every installation has."""
    return Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg").read_bytes()
