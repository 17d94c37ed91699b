"""One trace over client, edge, gateway and worker, told to a collector by OTLP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from harness.collector import Span, collecting
from harness.mesh import Mesh
from myeye import AsyncClient
from myeye.v1.job_pb2 import STATE_SUCCEEDED

LIMIT_S = 60.0
SUBMIT, WATCH = (f"myeye.v1.DetectionService/{method}" for method in ("Submit", "Watch"))


def only(spans: list[Span], service: str, name: str, parent: Span | None = None) -> Span:
    """Give the one span of this service, name and parent."""
    named = [span for span in spans if (span.service, span.name) == (service, name)]
    [found] = [span for span in named if not parent or span.parent == parent.id]
    return found


async def test_a_job_is_one_trace_over_client_edge_gateway_and_worker(tmp_path: Path, grace_hopper: Path) -> None:
    async with collecting() as collector:
        environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.target, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        flags = ("--log-format", "json")
        mesh = Mesh(
            tmp_path / "mesh", edge=True, environment=environment, gateway_flags=flags, worker_flags=flags, edge_flags=flags
        )
        provider = TracerProvider(resource=Resource({"service.name": "client"}), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(collector.target, insecure=True)))
        with mesh:
            async with AsyncClient(mesh.edge_target) as client:
                with provider.get_tracer("test").start_as_current_span("look at a picture") as root:
                    job = await client.submit(grace_hopper)
                    async for _ in client.watch(job.id, after_sequence=0):
                        pass
                later = await client.wait(job.id)  # outside of the span: a trace of its own
                async for _ in client.watch(job.id, after_sequence=0):
                    pass
            assert later.state == STATE_SUCCEEDED
            await asyncio.to_thread(provider.shutdown)
            trace = f"{root.get_span_context().trace_id:032x}"

            def complete(spans: list[Span]) -> bool:
                names = [(span.service, span.name) for span in spans if span.trace == trace]
                calls = [names.count(("myeye-gateway", SUBMIT)), names.count(("myeye-gateway", WATCH))]
                edge = sum(service == "myeye-edge" for service, _ in names)
                linked = any(trace in span.links for span in spans if span.trace != trace)
                others = {("client", "look at a picture"), ("myeye-worker", "attempt efficientdet-lite0")} <= set(names)
                return calls == [1, 1] and edge == 2 and linked and others

            every = await collector.until(complete, LIMIT_S)
        spans = [span for span in every if span.trace == trace]
        own = only(spans, "client", "look at a picture")
        submit, watch = only(spans, "myeye-gateway", SUBMIT), only(spans, "myeye-gateway", WATCH)
        attempt = only(spans, "myeye-worker", "attempt efficientdet-lite0")
        edges = {span.id: span for span in spans if span.service == "myeye-edge"}
        assert not own.parent
        assert {edges[submit.parent].parent, edges[watch.parent].parent} == {own.id}
        assert submit.parent != watch.parent
        assert attempt.parent == submit.id
        stages = [only(spans, "myeye-worker", name, attempt) for name in ("fetch", "decode", "detect")]
        assert all(attempt.begun_ns <= stage.begun_ns <= stage.ended_ns <= attempt.ended_ns for stage in stages)
        assert [stage.begun_ns for stage in stages] == sorted(stage.begun_ns for stage in stages)
        assert (
            attempt.attributes
            | {
                "myeye.job": job.id,
                "myeye.item": "0",
                "myeye.attempt": "1",
                "myeye.outcome": "succeeded",
            }
            == attempt.attributes
        )
        assert submit.attributes["rpc.grpc.status_code"] == "0"
        assert watch.attributes["myeye.job"] == job.id

        # a watch of another trace says which job's it tells
        [other] = [span for span in every if span.name == WATCH and span.trace != trace]
        assert other.links == (trace,)

        # and the lines of the logs name it
        lines = [json.loads(line) for line in (mesh.folder / "worker-0.log").read_text().splitlines() if line.startswith("{")]
        [line] = [line for line in lines if line["message"] == "succeeded"]
        assert (line["job"], line["item"], line["attempt"], line["trace"]) == (job.id, 0, 1, trace)
        access = [json.loads(line) for line in (mesh.folder / "edge.log").read_text().splitlines() if '"path"' in line]
        assert [line["trace"] for line in access if line["path"] in (f"/{SUBMIT}", f"/{WATCH}")][:2] == [trace, trace]
