"""The client's calls: what is sent, what is tried again, what is raised."""

import asyncio
from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo

import myeye
from myeye import AsyncClient, Priority, State, Violation


async def test_submit_sends_pictures_by_path_by_bytes_and_by_name(gateway, client, picture):
    content = picture.read_bytes()
    await client.submit([picture, str(picture), content, ("other.jpg", content)])
    inputs = gateway.requests["Submit"][0].inputs
    assert [sent.name for sent in inputs] == ["yard.jpg", "yard.jpg", "", "other.jpg"]
    assert all(sent.content == content for sent in inputs)


@pytest.mark.parametrize("single", [b"picture", ("a.jpg", b"picture")])
async def test_a_single_picture_needs_no_list(gateway, client, single):
    await client.submit(single)
    assert [sent.content for sent in gateway.requests["Submit"][0].inputs] == [b"picture"]


async def test_submit_sends_the_options_that_are_given(gateway, client):
    await client.submit(
        b"picture",
        score_threshold=0.0,
        category_allowlist=["dog"],
        priority=Priority.PRIORITY_HIGH,
        labels={"shelf": "3"},
        start_deadline=timedelta(minutes=2),
        ttl=1.5,
        max_attempts=2,
        annotate=True,
    )
    request = gateway.requests["Submit"][0]
    assert request.options.HasField("score_threshold")
    assert not request.options.HasField("max_results")
    assert not request.HasField("execution_timeout")
    assert (request.start_deadline.seconds, request.ttl.ToTimedelta()) == (120, timedelta(seconds=1.5))
    assert (list(request.options.category_allowlist), dict(request.labels)) == (["dog"], {"shelf": "3"})
    assert (request.priority, request.max_attempts, request.annotate) == (Priority.PRIORITY_HIGH, 2, True)


@pytest.mark.parametrize("code", ["UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "CANCELLED"])
async def test_a_passing_failure_is_tried_again_with_the_same_request_id(gateway, client, code):
    gateway.fail("Submit", code)
    job = await client.submit(b"picture")
    first, second = gateway.requests["Submit"]
    assert first.request_id == second.request_id != ""
    assert job.id == "job0"


async def test_every_submit_has_a_request_id_of_its_own(gateway, client):
    await client.submit(b"picture")
    await client.submit(b"picture")
    first, second = gateway.requests["Submit"]
    assert first.request_id != second.request_id


async def test_a_request_id_of_the_caller_gives_the_same_job_again(client):
    first = await client.submit(b"picture", request_id="mine")
    assert await client.submit(b"picture", request_id="mine") == first


async def test_a_wait_that_the_service_asks_for_beyond_the_timeout_is_not_begun(gateway, client):
    gateway.fail("Get", "UNAVAILABLE", "STARTING", RetryInfo(retry_delay=Duration(seconds=60)))
    with pytest.raises(myeye.Unavailable) as caught:
        await client.get("job0")
    assert (caught.value.reason, caught.value.retry_after_s) == ("STARTING", 60.0)
    assert len(gateway.requests["Get"]) == 1


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        ("INVALID_ARGUMENT", "INVALID_REQUEST", myeye.InvalidRequest),
        ("OUT_OF_RANGE", "CURSOR_OUT_OF_RANGE", myeye.InvalidRequest),
        ("NOT_FOUND", "JOB_PURGED", myeye.NotFound),
        ("ALREADY_EXISTS", "REQUEST_ID_REUSED", myeye.Conflict),
        ("FAILED_PRECONDITION", "JOB_FINISHED", myeye.FailedPrecondition),
        ("RESOURCE_EXHAUSTED", "QUEUE_FULL", myeye.QueueFull),
        ("RESOURCE_EXHAUSTED", "QUOTA_JOBS", myeye.QuotaExceeded),
        ("RESOURCE_EXHAUSTED", "", myeye.ResourceExhausted),
        ("UNAUTHENTICATED", "TOKEN_INVALID", myeye.Unauthenticated),
        ("PERMISSION_DENIED", "", myeye.PermissionDenied),
        ("UNIMPLEMENTED", "", myeye.MyeyeError),
    ],
)
async def test_a_refusal_is_raised_as_its_class_and_not_tried_again(gateway, client, code, reason, kind):
    gateway.fail("Submit", code, reason)
    with pytest.raises(myeye.MyeyeError) as caught:
        await client.submit(b"picture")
    assert type(caught.value) is kind
    assert (caught.value.reason, caught.value.message, caught.value.code.name) == (reason, "told to fail", code)
    assert len(gateway.requests["Submit"]) == 1


@pytest.mark.parametrize("reason", ["RATE_LIMITED", "TOO_MANY_WATCHES", "TOO_MANY_UPLOADS"])
async def test_who_was_too_busy_comes_again_after_the_time_that_was_told(gateway, client, reason):
    gateway.fail("Get", "RESOURCE_EXHAUSTED", reason, RetryInfo(retry_delay=Duration(nanos=1_000_000)))
    gateway.jobs["job0"] = myeye.Job(id="job0")
    assert (await client.get("job0")).id == "job0"
    gateway.fail("Get", "RESOURCE_EXHAUSTED", reason, RetryInfo(retry_delay=Duration(seconds=60)))
    with pytest.raises(myeye.QuotaExceeded) as caught:
        await client.get("job0")
    assert caught.value.retry_after_s == 60.0


async def test_a_bad_request_names_every_field(gateway, client):
    violations = [BadRequest.FieldViolation(field="inputs", description="is empty"), BadRequest.FieldViolation(field="ttl")]
    gateway.fail("Submit", "INVALID_ARGUMENT", "INVALID_REQUEST", BadRequest(field_violations=violations))
    with pytest.raises(myeye.InvalidRequest) as caught:
        await client.submit([])
    assert caught.value.violations == (Violation("inputs", "is empty"), Violation("ttl", ""))


async def test_nobody_there_is_unavailable_once_the_timeout_has_passed(server):
    await server.stop()
    async with AsyncClient(server.target, timeout_s=0.5) as client:
        with pytest.raises(myeye.Unavailable):
            await client.get("job0")


async def test_detect_returns_the_job_with_what_was_found(client, picture):
    job = await client.detect(picture)
    assert job.state == State.STATE_SUCCEEDED
    assert [found.category for item in job.items for found in item.result.detections] == ["dog"]


async def test_wait_asks_again_until_the_job_has_ended(gateway, client):
    running = myeye.Job(id="job0", state=State.STATE_RUNNING)
    gateway.jobs["job0"] = running
    gateway.on_wait = lambda: running.MergeFrom(myeye.Job(state=State.STATE_SUCCEEDED))
    assert (await client.wait("job0")).state == State.STATE_SUCCEEDED
    assert len(gateway.requests["Wait"]) == 2


async def test_wait_stops_at_its_timeout(gateway, client):
    gateway.jobs["job0"] = myeye.Job(id="job0", state=State.STATE_RUNNING)
    with pytest.raises(TimeoutError):
        await client.wait("job0", timeout=0.2)


async def test_list_goes_over_all_pages(gateway, client):
    for _ in range(5):
        await client.submit(b"picture")
    listed = [job.id async for job in client.list(states=[State.STATE_SUCCEEDED], labels=["shelf"])]
    assert listed == ["job0", "job1", "job2", "job3", "job4"]
    assert [request.page_token for request in gateway.requests["List"]] == ["", "2", "4"]
    assert all(list(request.labels) == ["shelf"] for request in gateway.requests["List"])


async def test_retry_gives_the_new_job(gateway, client):
    job = await client.submit(b"picture")
    assert (await client.retry(job.id)).retry_of == job.id
    assert gateway.requests["Retry"][0].request_id


async def test_a_deleted_job_is_gone(client):
    job = await client.submit(b"picture")
    await client.delete(job.id)
    with pytest.raises(myeye.NotFound):
        await client.get(job.id)


async def test_cancel_sends_its_reason(gateway, client):
    job = await client.submit(b"picture")
    await client.cancel(job.id, "no longer needed")
    assert gateway.requests["Cancel"][0].reason == "no longer needed"


async def test_a_missing_file_is_an_os_error_and_nothing_is_sent(gateway, client, tmp_path):
    with pytest.raises(FileNotFoundError):
        await client.submit(tmp_path / "none.jpg")
    assert not gateway.requests


async def test_many_calls_share_one_client(client):
    jobs = await asyncio.gather(*(client.detect(b"picture") for _ in range(20)))
    assert len({job.id for job in jobs}) == 20
