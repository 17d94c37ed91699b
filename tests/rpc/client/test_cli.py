"""The command line, run as a user does."""

import asyncio
import json
import os
import signal
import sys

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from PIL import Image

from myeye import Job, State, WatchResponse
from myeye.v1.job_pb2 import Progress

INTERRUPTED_ELSEWHERE = """
import signal, sys, threading

from myeye.cli import main

def interrupt():
    sys.stdin.read()
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
sys.exit(main())
"""


@pytest.fixture
def start(server, tmp_path):
    """Start `myeye` in the test's folder, against the test's gateway."""

    async def start(*arguments, program=("-m", "myeye"), stdin=None, **environ):
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *program,
            *map(str, arguments),
            cwd=tmp_path,
            env={**os.environ, "MYEYE_TARGET": server.target, **environ},
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    return start


@pytest.fixture
def run(start):
    """Run `myeye` to its end; gives its exit code and what it wrote to stdout and stderr."""

    async def run(*arguments, **environ):
        process = await start(*arguments, **environ)
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()

    return run


async def test_detect_prints_a_table_and_writes_the_annotated_picture(run, picture):
    code, out, err = await run("detect", picture)
    annotated = picture.with_name("yard.detected.jpg")
    assert code == 0
    assert "yard.jpg  64x48, 1 object" in out
    assert "dog 0.88 4 5 30 20" in " ".join(out.split())
    assert f"wrote {annotated}" in err
    with Image.open(annotated) as image:
        assert image.format == "JPEG"
    assert "\x1b" not in out + err


async def test_detect_with_json_prints_nothing_else_to_stdout(run, picture, tmp_path):
    code, out, _ = await run("detect", picture, "--json", "--output", tmp_path / "found")
    job = json.loads(out)
    assert code == 0
    assert job["items"][0]["result"]["detections"][0]["bounding_box"] == {"x_px": 4, "y_px": 5, "width_px": 30, "height_px": 20}
    assert (tmp_path / "found" / "yard.detected.jpg").exists()


async def test_detect_makes_as_many_jobs_as_the_limits_ask_for(gateway, run, picture):
    code, out, _ = await run("detect", *[picture] * 7, "--json", "--no-annotated", "--request-id", "mine")
    assert code == 0
    assert [len(json.loads(line)["items"]) for line in out.splitlines()] == [3, 3, 1]
    assert [request.request_id for request in gateway.requests["Submit"]] == ["mine", "mine.1", "mine.2"]


async def test_a_picture_that_fails_is_shown_with_its_reason_and_fails_the_command(gateway, run, picture, cannot_read):
    gateway.item = cannot_read
    code, out, _ = await run("detect", picture)
    assert code == 1
    assert "yard.jpg  failed: IMAGE_INVALID: the picture ends too early" in out
    assert not picture.with_name("yard.detected.jpg").exists()


async def test_an_annotated_picture_that_cannot_be_written_fails_the_command(run, picture, tmp_path):
    (tmp_path / "file").touch()
    code, out, err = await run("detect", picture, "--output", tmp_path / "file")
    assert code == 1
    assert "dog" in out
    assert f"no annotated picture of {picture}" in err


async def test_options_reach_the_service(gateway, run, picture):
    await run(
        *("submit", picture, "--model", "m", "--threshold", "0", "--max-results", "3", "--except", "dog,traffic light"),
        *("--except", "cat", "--priority", "high", "--label", "a=b=c", "--ttl", "2h", "--deadline", "5m"),
        *("--execution-timeout", "500ms", "--max-attempts", "2", "--webhook", "https://hooks.example.com/x"),
    )
    request = gateway.requests["Submit"][0]
    assert request.webhook == "https://hooks.example.com/x"
    assert (request.model, request.options.score_threshold, request.options.max_results) == ("m", 0.0, 3)
    assert list(request.options.category_denylist) == ["dog", "traffic light", "cat"]
    assert (request.priority, dict(request.labels), request.max_attempts) == (3, {"a": "b=c"}, 2)
    assert (request.ttl.seconds, request.start_deadline.seconds, request.execution_timeout.nanos) == (7200, 300, 500_000_000)


async def test_submit_prints_the_id_alone(run, picture):
    assert await run("submit", picture) == (0, "job0\n", "")


async def test_a_large_file_is_uploaded_and_its_progress_told(gateway, blobs, run, tmp_path):
    gateway.limits.max_message_bytes = 20_000_000
    large = tmp_path / "large.bmp"
    large.write_bytes(b"BM" + bytes(10_000_000))
    code, out, err = await run("submit", large)
    assert (code, out) == (0, "job0\n")
    assert [line for line in err.splitlines() if "0%" in line][-1] == "large.bmp: uploaded 100% of 10.0 MB"
    assert len(err.splitlines()) == 11
    assert [bytes(body) for body in blobs.uploads.values()] == [large.read_bytes()]


async def test_watch_tells_the_history_and_what_was_found(client, run, picture):
    job = await client.submit(picture)
    code, out, _ = await run("watch", job.id, "--after", "0")
    lines = [line.strip() for line in out.splitlines()]
    assert code == 0
    assert lines[:3] == [
        "job0   #1  accepted, 1 picture",
        "job0   #2  yard.jpg: 1 object",
        "job0   #3  SUCCEEDED, 1 of 1 picture done",
    ]
    assert any(line.startswith("dog") for line in lines)


async def test_watch_with_json_prints_a_line_for_each_update(client, run, picture):
    job = await client.submit(picture)
    _, out, _ = await run("watch", job.id, "--after", "1", "--json")
    assert [json.loads(line)["event"]["sequence"] for line in out.splitlines()] == ["2", "3"]


async def test_an_interrupt_says_that_the_job_goes_on(gateway, start):
    gateway.jobs["job0"] = Job(id="job0", state=State.STATE_RUNNING, progress=Progress(items_total=1))
    gateway.streams.append([WatchResponse(snapshot=gateway.jobs["job0"]), gateway.never])
    process = await start("watch", "job0")
    async with asyncio.timeout(60):
        assert b"RUNNING" in await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert process.returncode == 130
    assert "job job0 goes on" in err.decode()
    assert "myeye cancel job0" in err.decode()


async def test_an_interrupt_is_heard_in_whatever_thread_it_arrives(gateway, start):
    gateway.jobs["job0"] = Job(id="job0", state=State.STATE_RUNNING, progress=Progress(items_total=1))
    gateway.streams.append([WatchResponse(snapshot=gateway.jobs["job0"]), gateway.never])
    process = await start("watch", "job0", program=("-c", INTERRUPTED_ELSEWHERE), stdin=asyncio.subprocess.PIPE)
    async with asyncio.timeout(60):
        assert b"RUNNING" in await process.stdout.readline()
        await process.communicate(b"now")
    assert process.returncode == 130


async def test_get_list_and_models_tell_what_there_is(client, run, picture):
    await client.submit(picture, labels={"shelf": "3"})
    assert "labels shelf=3" in (await run("get", "job0"))[1]
    assert "job0 SUCCEEDED 1/1" in " ".join((await run("list"))[1].split())
    assert "efficientdet_lite0 default 1 2 dog, person" in " ".join((await run("models"))[1].split())


async def test_list_stops_at_its_limit(gateway, client, run, picture):
    for _ in range(5):
        await client.submit(picture)
    _, out, _ = await run("list", "--limit", "3", "--state", "succeeded", "--label", "shelf", "--json")
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["job0", "job1", "job2"]
    assert list(gateway.requests["List"][0].states) == [State.STATE_SUCCEEDED]


async def test_cancel_retry_and_delete_act_on_the_job(gateway, client, run, picture):
    await client.submit(picture)
    assert (await run("cancel", "job0", "--reason", "late"))[0] == 0
    assert gateway.requests["Cancel"][0].reason == "late"
    assert (await run("retry", "job0"))[:2] == (0, "job1\n")
    code, out, _ = await run("retry", "job0", "--watch")
    assert (code, "SUCCEEDED" in out) == (0, True)
    assert (await run("delete", "job0"))[0] == 0
    assert "job0" not in gateway.jobs


async def test_nobody_there_is_said_in_words(server, run):
    await server.stop()
    code, out, err = await run("--timeout", "500ms", "models")
    assert (code, out) == (3, "")
    assert f"nothing answers at {server.target}; is it running? (make up)" in err


async def test_an_unknown_job_has_an_exit_code_of_its_own(run):
    code, _, err = await run("get", "nothing")
    assert (code, err) == (4, "myeye: no job 'nothing' (JOB_NOT_FOUND)\n")


async def test_every_wrong_field_has_its_line(gateway, run, picture):
    fields = [BadRequest.FieldViolation(field="ttl", description="too long"), BadRequest.FieldViolation(field="model")]
    gateway.fail("Submit", "INVALID_ARGUMENT", "INVALID_REQUEST", BadRequest(field_violations=fields))
    code, _, err = await run("submit", picture)
    assert (code, err) == (5, "myeye: ttl: too long\nmyeye: model: \n")


async def test_a_full_queue_says_when_to_try_again(gateway, run, picture):
    gateway.fail("Submit", "RESOURCE_EXHAUSTED", "QUEUE_FULL", RetryInfo(retry_delay=Duration(seconds=7)))
    code, _, err = await run("submit", picture)
    assert code == 3
    assert "try again in 7 s" in err


@pytest.mark.parametrize(
    "arguments",
    [("detect", "none.jpg"), ("detect", "yard.jpg", "--ttl", "soon"), ("submit", "yard.jpg", "--label", "x"), ()],
)
async def test_a_wrong_command_line_is_exit_code_2(gateway, run, picture, arguments):
    code, out, err = await run(*arguments)
    assert (code, out) == (2, "")
    assert "error:" in err
    assert not gateway.requests


async def test_help_states_the_exit_codes(run):
    code, out, _ = await run("--help")
    assert code == 0
    assert "exit codes:" in out
