"""What people do about failed jobs: the Python client and the command line, on a real gateway."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime, timedelta

import pytest

from dispatch.events import Failed, Failure
from gateway.limits import Limits
from myeye import AsyncClient, Client, State, reason
from myeye.v1 import detection_service_pb2 as pb

LOST = Failure("WORKER_LOST", "no worker survived it")


@pytest.fixture
def fail(front, hand):
    """Make jobs that fail; give their ids, the newest first."""

    async def fail(count=1, failure=LOST, **fields):
        jobs = [(await front.submit(**fields)).id for _ in range(count)]
        async with hand.taking() as deliveries:
            for job_id in jobs:
                delivery = await anext(deliveries)
                task, run = await hand.start(delivery)
                assert task.job_id == job_id
                await hand.tell(Failed, task, item=0, run_id=run, failure=failure, retryable=False)
                await delivery.ack()
        for job_id in jobs:
            await front.stub.Wait(pb.WaitRequest(job_id=job_id))
        return jobs[::-1]

    return fail


@pytest.fixture
def run(front):
    """Run `myeye` to its end; gives its exit code and what it wrote to stdout and stderr."""

    async def run(*arguments, answer=None):
        stdin, terminal = asyncio.subprocess.DEVNULL, None
        if answer is not None:
            ours, stdin = os.openpty()
            terminal = os.fdopen(ours, "wb", buffering=0)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "myeye", *arguments),
            env={**os.environ, "MYEYE_TARGET": front.target},
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        if terminal:
            os.close(stdin)
            terminal.write(answer)
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        if terminal:
            terminal.close()
        return process.returncode, out.decode(), err.decode()

    return run


async def retries_of(front):
    return sorted(job.retry_of for job in (await front.stub.List(pb.ListRequest())).jobs if job.retry_of)


async def test_the_client_lists_failures_and_retries_them_by_filter(front, fail):
    lost = await fail(3, labels={"shelf": "3"})
    await fail(failure=Failure("IMAGE_INVALID", "not a picture"))
    async with AsyncClient(front.target) as client:
        listed = [job async for job in client.list(reasons=["WORKER_LOST"], with_failed_items=True, page_size=2)]
        assert [job.id for job in listed] == lost
        item = listed[0].items[0]
        assert (reason(item.error), item.attempt, item.worker) == ("WORKER_LOST", 1, "hand")
        later = datetime.now(UTC) + timedelta(hours=1)
        assert [job async for job in client.list(ended_from=later)] == []
        assert await client.retry_matching(created_from=later) == []
        outcomes = await client.retry_matching(reasons=["WORKER_LOST"], labels=["shelf=3"], created_until=later)
        assert [outcome.job_id for outcome in outcomes] == lost
        assert await client.retry_matching(reasons=["WORKER_LOST"]) == []
        left = [job.id async for job in client.list(states=[State.STATE_FAILED], without_retry=True)]
    assert len(left) == 1
    assert await retries_of(front) == sorted(lost)


async def test_the_client_retries_named_jobs_in_as_many_calls_as_the_limit_asks_for(start, hand):
    async with start(Limits(max_retries=2)) as front, AsyncClient(front.target) as client:
        old = [(await front.submit()).id for _ in range(5)]
        for job_id in old:
            await client.cancel(job_id)
        outcomes = await client.retry_many([*old, old[0]], request_id="mine")
        assert [outcome.job_id for outcome in outcomes] == old
        again = await client.retry_many(old, request_id="mine")
        assert all(outcome.replayed for outcome in again)
        assert [outcome.new_job_id for outcome in again] == [outcome.new_job_id for outcome in outcomes]
        assert await client.retry_many([]) == []
        states = [State.STATE_CANCELLED]
        assert len(await client.retry_matching(states=states, request_id="mine")) == 5, "page after page"
    assert len({outcome.new_job_id for outcome in outcomes}) == 5


async def test_the_client_without_asyncio_retries_too(front, fail):
    lost = await fail(2)

    def retry():
        with Client(front.target) as client:
            return [*client.retry_many(lost[:1]), *client.retry_matching()]

    outcomes = await asyncio.to_thread(retry)
    assert [outcome.job_id for outcome in outcomes] == lost


async def test_list_shows_cause_attempts_and_last_worker(run, fail):
    (lost,) = await fail(labels={"shelf": "3"})
    await fail(failure=Failure("IMAGE_INVALID", "not a picture"))
    for options in (["--state", "failed", "--reason", "worker_lost"], ["--failures", "--label", "shelf"]):
        code, out, _ = await run("list", *options)
        assert code == 0
        lines = [" ".join(line.split()) for line in out.splitlines() if lost in line]
        assert len(out.splitlines()) == 3
        assert lines[0].startswith(f"{lost} FAILED p0 WORKER_LOST: no worker survived it 1 hand 20")
    code, out, _ = await run("list", "--reason", "WORKER_LOST", "--ended-within", "1h", "--json")
    (item,) = json.loads(out)["items"]
    assert (item["attempt"], item["worker"], item["error"]["message"]) == (1, "hand", "no worker survived it")


async def test_retry_of_all_that_match_tells_each(run, front, fail):
    lost = await fail(2)
    (broken,) = await fail(failure=Failure("IMAGE_INVALID", "not a picture"))
    code, out, err = await run("retry", "--all", "--state", "failed", "--reason", "WORKER_LOST", "--yes")
    assert (code, err) == (0, "")
    assert [line.partition(" is repeated by ")[0] for line in out.splitlines()] == lost
    code, out, err = await run("retry", "--all", "--reason", "WORKER_LOST", "--yes")
    assert (code, out, err) == (0, "", "no such jobs\n")
    code, out, _ = await run("retry", "--all", "--yes", "--json")
    assert [json.loads(line)["job_id"] for line in out.splitlines()] == [broken]
    assert await retries_of(front) == sorted([*lost, broken])


@pytest.mark.parametrize(("answer", "retried"), [(b"y\n", 2), (b"\n", 0), (b"no\n", 0)])
async def test_retry_of_all_asks_first_and_says_how_many(run, front, fail, answer, retried):
    await fail(2)
    code, _, err = await run("retry", "--all", answer=answer)
    assert code == 0
    assert "retry 2 jobs? [y/N]" in err
    assert len(await retries_of(front)) == retried


async def test_retry_of_several_says_which_were_refused(run, front, fail):
    lost = await fail(2)
    code, out, err = await run("retry", *lost)
    assert (code, len(out.splitlines()), err) == (0, 2, "")
    code, out, err = await run("retry", *lost)
    assert (code, out) == (5, "")
    assert all("was retried before; its newest retry is job" in line for line in err.splitlines())
    assert (await run("retry", "nothing", "nowhere"))[0] == 4
    code, out, _ = await run("retry", lost[0])
    assert code == 0, "one alone is retried however often it was"
    assert (await front.stub.Get(pb.GetRequest(job_id=out.strip()))).job.retry_of == lost[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name the jobs, or say --all"),
        (("one", "--all"), "name the jobs, or say --all"),
        (("one", "two", "--reason", "WORKER_LOST"), "a filter goes with --all"),
        (("one", "two", "--watch"), "--watch goes with one JOB"),
        (("--all",), "say --yes"),
        (("--all", "--yes", "--state", "running"), "invalid choice"),
    ],
)
async def test_a_retry_that_could_mean_something_else_is_not_begun(run, arguments, words):
    code, out, err = await run("retry", *arguments)
    assert (code, out) == (2, "")
    assert words in err
