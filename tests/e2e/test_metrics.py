"""The metrics of a whole installation, held against what its clients counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from harness.mesh import Mesh
from harness.scrape import Scrape, scrape
from myeye import AsyncClient
from myeye.states import is_terminal
from myeye.v1.job_pb2 import PRIORITY_HIGH, STATE_FAILED, STATE_PARTIALLY_SUCCEEDED, STATE_SUCCEEDED, Job

LIMIT_S = 90.0


async def until(mesh: Mesh, true_of: Callable[[dict[str, Scrape]], bool]) -> dict[str, Scrape]:
    """Scrape every process until something is so: the last is counted a moment after the clients have heard of it."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            found = {name: await asyncio.to_thread(scrape, address) for name, address in mesh.metrics.items()}
            if true_of(found):
                return found
            await asyncio.sleep(0.1)


async def watched(client: AsyncClient, pictures: list[bytes | Path], **options: int) -> Job:
    """Submit a job, watch it to its end and give it as it is then."""
    job = await client.submit(list(pictures), **options)  # type: ignore[arg-type]
    async for update in client.watch(job.id):
        assert update
    return await client.wait(job.id)  # another gateway may not have read the end yet


async def test_the_metrics_agree_with_what_the_clients_counted(tmp_path: Path, grace_hopper: Path) -> None:
    with Mesh(tmp_path / "mesh", gateways=2, detectors=1, edge=True, metrics=True) as mesh:
        async with AsyncClient(mesh.edge_target) as client:
            jobs = await asyncio.gather(
                *(watched(client, [grace_hopper]) for _ in range(3)),
                watched(client, [grace_hopper, b"not a picture"], priority=PRIORITY_HIGH),
                watched(client, [b"neither", b"nor"]),
            )
        assert all(is_terminal(job.state) for job in jobs)
        states = [job.state for job in jobs]
        items = [item.state for job in jobs for item in job.items]
        succeeded, failed = items.count(STATE_SUCCEEDED), items.count(STATE_FAILED)
        gateways = [process.name for process in mesh.gateways]

        def settled(found: dict[str, Scrape]) -> bool:
            heard = all(found[name].sum("myeye_items_finished_total") == len(items) for name in gateways)
            idle = found["worker-0"].sum("myeye_attempts_in_progress") == 0
            return heard and idle and not any(found[name].sum("myeye_grpc_calls_in_progress") for name in gateways)

        found = await until(mesh, settled)

        # what gateways do adds up
        done_by = [found[name] for name in gateways]
        assert sum(each.sum("myeye_jobs_accepted_total") for each in done_by) == len(jobs)
        assert sum(each.sum("myeye_items_accepted_total", lane="HIGH") for each in done_by) == 2
        assert sum(each.sum("myeye_grpc_calls_total", method="Submit", code="OK") for each in done_by) == len(jobs)
        assert sum(each.sum("myeye_grpc_calls_total", method="Watch") for each in done_by) == len(jobs)
        assert sum(each.sum("myeye_publishes_total", to="queue", outcome="confirmed") for each in done_by) == len(items)

        # what they have read is the same on each
        for each in done_by:
            for state, name in (
                (STATE_SUCCEEDED, "SUCCEEDED"),
                (STATE_PARTIALLY_SUCCEEDED, "PARTIALLY_SUCCEEDED"),
                (STATE_FAILED, "FAILED"),
            ):
                assert each.sum("myeye_jobs_finished_total", state=name) == states.count(state)
                assert each.sum("myeye_jobs", state=name) == states.count(state)
            assert each.sum("myeye_items_finished_total", state="SUCCEEDED") == succeeded
            assert each.sum("myeye_items_finished_total", state="FAILED") == failed
            assert each.sum("myeye_queue_items") == each.sum("myeye_queue_oldest_age_seconds") == 0
            assert each.sum("myeye_live_workers") == each.sum("myeye_live_detectors") == 1
            assert each.sum("myeye_broker_connected") == 1

        worker = found["worker-0"]
        assert worker.sum("myeye_attempts_total", kind="picture", outcome="succeeded") == succeeded
        assert worker.sum("myeye_attempts_total") == len(items)
        assert worker.sum("myeye_attempt_failures_total", reason="IMAGE_INVALID") == failed
        for stage in ("queued", "fetch", "decode", "detect", "total"):
            assert worker.sum("myeye_stage_duration_seconds_count", stage=stage) == succeeded
        told_s = sum(
            item.timings.detect.ToNanoseconds() / 1e9 for job in jobs for item in job.items if item.state == STATE_SUCCEEDED
        )
        assert abs(worker.sum("myeye_stage_duration_seconds_sum", stage="detect") - told_s) < 1e-6
        assert worker.sum("myeye_blob_operations_total", operation="get", outcome="ok") == len(items)
        assert worker.sum("myeye_detectors", state="idle") == 1
        assert worker.sum("myeye_detector_restarts_total") == 0

        edge = found["edge"]
        assert edge.sum("envoy_cluster_membership_healthy", envoy_cluster_name="gateways") == 2
        assert edge.sum("envoy_http_downstream_rq_active", envoy_http_conn_manager_prefix="edge") == 0
        assert edge.sum("envoy_http_downstream_rq_total", envoy_http_conn_manager_prefix="edge") >= 3 * len(jobs)
