"""What a worker counts of its attempts."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from dispatch.errors import BlobNotFound
from worker.detection import DetectorFailed, PictureRejected
from worker.run import run

from .conftest import MODEL

CRASH = DetectorFailed("DETECTOR_CRASHED", "the detector ended")


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def ended(registry: CollectorRegistry) -> dict[str, float]:
    """Give the outcomes that were counted, how often, whatever the kind."""
    [family] = [family for family in registry.collect() if family.name == "myeye_attempts"]
    return {
        f"{sample.labels['kind']} {sample.labels['outcome']}": sample.value
        for sample in family.samples
        if sample.name == "myeye_attempts_total" and sample.value
    }


def failures(registry: CollectorRegistry, reason: str) -> float | None:
    return registry.get_sample_value("myeye_attempt_failures_total", {"model": MODEL, "reason": reason})


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (None, "succeeded", None),
        (CRASH, "retrying", "DETECTOR_CRASHED"),
        (PictureRejected("IMAGE_INVALID", "not a picture"), "failed", "IMAGE_INVALID"),
        (BlobNotFound("gone"), "failed", "INPUT_MISSING"),
        (PictureRejected("made up by a detector that was taken over", ""), "failed", "OTHER"),
    ],
)
async def test_an_attempt_is_counted_by_its_outcome_and_a_failure_by_its_reason(
    site: Any, pool_of: Any, registry: CollectorRegistry, error: Exception | None, outcome: str, reason: str | None
) -> None:
    await site.publish(await site.accept())
    async with site.desk(pool_of(error), registry=registry) as desk, site.delivery() as delivery:
        await run(desk, delivery)
    assert ended(registry) == {f"picture {outcome}": 1}
    assert reason is None or failures(registry, reason) == 1
    stage = {"model": MODEL, "kind": "picture", "stage": "detect"}
    assert registry.get_sample_value("myeye_stage_duration_seconds_count", stage) == (1 if error is None else None)
    assert registry.get_sample_value("myeye_attempts_in_progress", {"model": MODEL, "kind": "picture"}) == 0


async def test_attempts_that_are_used_up_have_failed(site: Any, pool_of: Any, registry: CollectorRegistry) -> None:
    await site.publish(await site.accept(max_attempts=1))
    async with site.desk(pool_of(CRASH), registry=registry) as desk, site.delivery() as delivery:
        await run(desk, delivery)
    assert ended(registry) == {"picture failed": 1}


async def test_what_is_not_wanted_any_more_is_declined(site: Any, pool_of: Any, registry: CollectorRegistry) -> None:
    task = await site.accept()
    await site.cancel(task.job_id)
    await site.publish(task)
    async with site.desk(pool_of(), registry=registry) as desk, site.delivery() as delivery:
        await run(desk, delivery)
    assert ended(registry) == {"picture declined": 1}


async def test_a_task_that_cannot_be_is_dropped(site: Any, pool_of: Any, registry: CollectorRegistry) -> None:
    task = await site.accept()
    task.input_blob = "../../etc/passwd"
    await site.publish(task)
    async with site.desk(pool_of(), registry=registry) as desk, site.delivery() as delivery:
        await run(desk, delivery)
    assert ended(registry) == {}
    assert registry.get_sample_value("myeye_tasks_dropped_total", {"reason": "impossible"}) == 1
