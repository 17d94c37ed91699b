"""However much is wrong with a request, what is told of it reaches the client: a trailer that is too long would not."""

from __future__ import annotations

import grpc
import pytest

from gateway.status import FAILURE_CODES
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.detection_pb2 import DetectionOptions
from myeye.v1.job_pb2 import Input

HUGE = "é" * 50_000


@pytest.mark.parametrize(
    "request_",
    [
        pb.SubmitRequest(inputs=[Input(name="n" * 300)] * 100),
        pb.SubmitRequest(inputs=[Input()], labels={f"NO{n}" + "x" * 100: "v" * 300 for n in range(64)}),
        pb.SubmitRequest(inputs=[Input(content=b"x")], labels={HUGE: ""}),
        pb.SubmitRequest(
            inputs=[Input(content=b"x")],
            options=DetectionOptions(category_allowlist=[HUGE] * 101, category_denylist=[HUGE] * 101),
        ),
    ],
    ids=["inputs", "labels", "label", "categories"],
)
async def test_many_violations_are_told_as_far_as_there_is_room_and_counted(front, refused, request_):
    details = await refused(front.stub.Submit(request_), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    listed, counted = details["BadRequest"].field_violations, int(details["ErrorInfo"].metadata["violations"])
    assert 1 <= len(listed) <= counted


async def test_a_few_violations_are_told_in_full(front, refused):
    request = pb.SubmitRequest(inputs=[Input(name="n" * 256)] * 3)
    details = await refused(front.stub.Submit(request), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert len(details["BadRequest"].field_violations) == int(details["ErrorInfo"].metadata["violations"]) == 6


async def test_an_unknown_job_is_not_found_however_long_its_id(front, refused):
    await refused(front.stub.Get(pb.GetRequest(job_id=HUGE)), grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")


async def test_many_unknown_jobs_are_not_found_however_long_their_ids(front, refused):
    targets = [pb.WatchTarget(job_id=f"{n}{HUGE}") for n in range(100)]
    call = front.stub.WatchMany(pb.WatchManyRequest(targets=targets))
    await refused(call.read(), grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")


async def test_a_hundred_unknown_jobs_are_all_named(front, refused):
    ids = [f"{n:026}" for n in range(100)]
    call = front.stub.WatchMany(pb.WatchManyRequest(targets=[pb.WatchTarget(job_id=job_id) for job_id in ids]))
    details = await refused(call.read(), grpc.StatusCode.NOT_FOUND, "JOB_NOT_FOUND")
    assert details["ErrorInfo"].metadata["job_ids"].split(",") == ids


def test_every_reason_that_the_contract_names_has_a_code():
    documented = {
        "IMAGE_INVALID", "IMAGE_TOO_LARGE", "IMAGE_UNSUPPORTED", "VIDEO_INVALID", "VIDEO_TRUNCATED", "VIDEO_TOO_LONG",
        "VIDEO_UNSUPPORTED", "CATEGORY_UNKNOWN", "INPUT_MISSING", "BLOB_UNAVAILABLE", "EXECUTION_TIMEOUT", "DETECTOR_CRASHED",
        "WORKER_LOST", "CANCELLED", "EXPIRED", "INTERNAL", "URI_FORBIDDEN", "URI_NOT_FOUND", "URI_TOO_LARGE", "URI_UNAVAILABLE",
    }  # fmt: skip
    assert documented == set(FAILURE_CODES)
