"""Webhooks: a real receiver of https is called when a job has ended, at least once, signed, and nobody else is."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from dispatch.backoff import Backoff
from dispatch.codec import duration
from dispatch.errors import ConfigurationError
from dispatch.uri import MAX_URI_LENGTH
from egress.options import EgressOptions
from gateway.config import read_config
from gateway.limits import Limits
from gateway.notifier import AT_ONCE_EACH
from gateway.webhook_options import WebhookOptions
from gateway.webhook_secrets import WebhookSecrets
from harness.https import Asked, Authority, Host, ok, redirect, serving
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.job_pb2 import WEBHOOK_STATE_DELIVERED, WEBHOOK_STATE_GIVEN_UP, WEBHOOK_STATE_PENDING, Input

LIMIT_S = 30
SECRET, NEW_SECRET, ANNS = (os.urandom(size) for size in (24, 64, 32))
QUICK = Backoff(base_s=0.05, cap_s=0.1)


def whsec(secret: bytes) -> str:
    return f"whsec_{base64.b64encode(secret).decode()}"


def verify(asked: Asked, secret: bytes) -> dict[str, Any]:
    """Check a signature by the letter of the specification, and give the message."""
    signed = b".".join([asked.headers["webhook-id"].encode(), asked.headers["webhook-timestamp"].encode(), asked.body])
    expected = "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    assert expected in asked.headers["webhook-signature"].split(" ")
    assert abs(int(asked.headers["webhook-timestamp"]) - time.time()) < 300
    message: dict[str, Any] = json.loads(asked.body)
    return message


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
async def host(authority: Authority) -> AsyncIterator[Host]:
    async with serving(authority.server("localhost")) as host:
        host.answers["/hook"] = ok(b"")
        yield host


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    file = tmp_path / "webhook-secrets.toml"
    file.write_text(f'"*" = ["{whsec(SECRET)}"]\nann = ["{whsec(ANNS)}"]\n')
    return file


@pytest.fixture
def calling(start, authority: Authority, host: Host, secrets: Path):
    """Start a gateway that may call the host."""

    @asynccontextmanager
    async def starting(*, attempts: int = 3, timeout_s: float = 10.0, networks: str = "127.0.0.0/8,::1/128", **changes: Any):
        egress = EgressOptions.parse(fetch_from="", webhooks_to=host.url(""), internal_networks=networks, ca=str(authority.ca))
        limits = Limits(max_webhook_attempts=attempts, webhook_timeout_ns=int(timeout_s * 1e9))
        options = WebhookOptions(secrets=secrets, backoff=QUICK)
        async with start(limits, egress=egress, webhooks=options, **changes) as front:
            yield front

    return starting


async def told(front, job_id: str, *, state: int = WEBHOOK_STATE_DELIVERED, failed: bool = False):
    """Wait until the call has come to this."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            job = (await front.stub.Get(pb.GetRequest(job_id=job_id))).job
            if job.webhook.state == state and (job.webhook.last_error or not failed):
                return job
            await asyncio.sleep(0.02)


async def done(front, hand, **fields: Any):
    """Submit a job, and have it succeed."""
    job = await front.submit(inputs=[Input(name="cat", content=b"picture")], **fields)
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries, "cat")
    return job


async def test_it_is_called_once_when_the_job_has_ended(calling, hand, host):
    async with calling() as front:
        job = await done(front, hand, webhook=host.url("/hook?key=s3cr3t"), labels={"camera": "küche"})
        after = await told(front, job.id)
        assert (after.webhook.attempts, after.webhook.last_error, after.webhook.HasField("next_attempt_time")) == (1, "", False)
        (asked,) = host.asked
        message = verify(asked, SECRET)
        assert asked.line == "POST /hook?key=s3cr3t HTTP/1.1"
        assert asked.headers["webhook-id"] == f"job_{job.id}"
        assert asked.headers["content-type"] == "application/json"
        assert message["type"] == "job.succeeded"
        assert message["timestamp"] == message["data"]["end_time"]
        data = message["data"]
        assert (data["id"], data["state"], data["labels"]) == (job.id, "STATE_SUCCEEDED", {"camera": "küche"})
        assert data["progress"] == {"items_done": 1, "items_total": 1}
        assert not {"items", "webhook"} & data.keys()


async def test_its_job_and_its_watchers_are_told_nothing_of_it(calling, hand, host):
    async with calling() as front:
        job = await done(front, hand, webhook=host.url("/hook?key=s3cr3t"))
        before = await front.events(job.id)
        assert job.webhook.state == WEBHOOK_STATE_PENDING
        after = await told(front, job.id)
        events = await front.events(job.id)
        assert [event.WhichOneof("kind") for event in events].count("job_finished") == 1
        assert events == before
        assert after.last_sequence == events[-1].sequence
        assert "s3cr3t" not in str(after)


@pytest.mark.parametrize("kind", ["cancelled", "failed", "expired"])
async def test_every_end_is_told(calling, hand, host, kind):
    async with calling() as front:
        deadline = duration(1_000_000) if kind == "expired" else None
        job = await front.submit(webhook=host.url("/hook"), start_deadline=deadline)
        if kind == "cancelled":
            await front.stub.Cancel(pb.CancelRequest(job_id=job.id, reason="enough"))
        elif kind == "failed":
            async with hand.taking() as deliveries:
                delivery = await anext(deliveries)
                await hand.fail(*await hand.start(delivery))
                await delivery.ack()
        await told(front, job.id)
    message = verify(host.asked[0], SECRET)
    assert message["type"] == f"job.{kind}"
    assert message["data"]["error"]["details"][0]["reason"]


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"", status="500 Internal Server Error"),
        ok(b"", status="404 Not Found"),
        redirect("https://localhost/elsewhere"),
        b"nonsense\r\n\r\n",
        b"",
    ],
    ids=["500", "404", "redirect", "no HTTP", "nothing"],
)
async def test_what_is_not_taken_is_sent_again_under_the_same_id(calling, hand, host, answer):
    host.answers["/hook"] = answer
    async with calling(attempts=10) as front:
        job = await done(front, hand, webhook=host.url("/hook"))
        async with asyncio.timeout(LIMIT_S):
            await host.until_asked(2)
        host.answers["/hook"] = ok(b"", status="204 No Content")
        after = await told(front, job.id)
        assert after.webhook.attempts == len(host.asked) >= 3
    assert {asked.headers["webhook-id"] for asked in host.asked} == {f"job_{job.id}"}
    assert all(verify(asked, SECRET) for asked in host.asked)
    assert len({asked.body for asked in host.asked}) == 1
    assert all(asked.line.startswith("POST /hook ") for asked in host.asked), "no redirect was followed"


@pytest.mark.parametrize("attempts", [1, 3])
async def test_it_is_given_up_after_so_many_attempts(calling, hand, host, attempts):
    host.answers["/hook"] = ok(b"", status="503 Service Unavailable")
    async with calling(attempts=attempts) as front:
        limits = (await front.stub.GetCapabilities(pb.GetCapabilitiesRequest())).limits
        assert (limits.max_webhook_attempts, limits.webhook_timeout.seconds) == (attempts, 10)
        job = await done(front, hand, webhook=host.url("/hook"))
        after = await told(front, job.id, state=WEBHOOK_STATE_GIVEN_UP)
    assert after.webhook.attempts == len(host.asked) == attempts
    assert re.fullmatch(r"https://localhost:\d+ answers 503", after.webhook.last_error)


async def test_who_is_gone_is_not_called_again(calling, hand, host):
    host.answers["/hook"] = ok(b"", status="410 Gone")
    async with calling() as front:
        job = await done(front, hand, webhook=host.url("/hook"))
        after = await told(front, job.id, state=WEBHOOK_STATE_GIVEN_UP)
    assert after.webhook.attempts == len(host.asked) == 1


async def test_who_asks_for_time_gets_it(calling, hand, host):
    host.answers["/hook"] = ok(b"", "Retry-After: 100", status="429 Too Many Requests")
    async with calling() as front:
        job = await done(front, hand, webhook=host.url("/hook"))
        webhook = (await told(front, job.id, state=WEBHOOK_STATE_PENDING, failed=True)).webhook
        wait_s = webhook.next_attempt_time.ToNanoseconds() / 1e9 - time.time()
        assert LIMIT_S < wait_s <= 100


async def test_who_is_silent_is_not_waited_for(calling, hand, host):
    async def silent(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    host.answers["/hook"] = silent
    async with calling(attempts=1, timeout_s=0.2) as front:
        job = await done(front, hand, webhook=host.url("/hook"))
        after = await told(front, job.id, state=WEBHOOK_STATE_GIVEN_UP)
    assert "did not answer within 0.2 s" in after.webhook.last_error


async def test_a_name_that_leads_inside_is_not_called(calling, hand, host):
    async with calling(networks="") as front:
        job = await done(front, hand, webhook=host.url("/hook"))
        after = await told(front, job.id, state=WEBHOOK_STATE_GIVEN_UP)
    assert "no address that may be reached" in after.webhook.last_error
    assert not host.connections


@pytest.mark.parametrize("uri", ["https://elsewhere.example/", "https://localhost/", "https://169.254.169.254/"])
async def test_a_host_that_is_not_allowed_is_refused(calling, refused, uri):
    async with calling() as front:
        call = front.stub.Submit(pb.SubmitRequest(inputs=[Input(content=b"x")], webhook=uri))
        details = await refused(call, grpc.StatusCode.FAILED_PRECONDITION, "URI_FORBIDDEN")
        assert details["ErrorInfo"].metadata["field"] == "webhook"
        assert not front.blobs


@pytest.mark.parametrize("uri", ["http://localhost/", "s3://a-bucket/key", "https://a:b@localhost/", "https://0x7f.1/", "x"])
async def test_a_malformed_address_is_a_violation(calling, refused, uri):
    async with calling() as front:
        call = front.stub.Submit(pb.SubmitRequest(inputs=[Input(content=b"x")], webhook=uri))
        details = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        assert [violation.field for violation in details["BadRequest"].field_violations] == ["webhook"]


async def test_the_longest_address_is_taken_and_a_longer_one_is_not(calling, host, refused):
    async with calling() as front:
        longest = host.url("/hook?").ljust(MAX_URI_LENGTH, "x")
        await front.submit(webhook=longest)
        call = front.stub.Submit(pb.SubmitRequest(inputs=[Input(content=b"x")], webhook=f"{longest}x"))
        await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_without_a_secret_there_is_no_webhook(calling, host, secrets, refused):
    secrets.write_text(f'ann = ["{whsec(ANNS)}"]\n')
    async with calling() as front:
        call = front.stub.Submit(pb.SubmitRequest(inputs=[Input(content=b"x")], webhook=host.url("/hook")))
        await refused(call, grpc.StatusCode.FAILED_PRECONDITION, "WEBHOOK_SECRET_MISSING")


async def test_nobody_is_called_by_default(front, refused):
    capabilities = await front.stub.GetCapabilities(pb.GetCapabilitiesRequest())
    assert not capabilities.webhook_hosts
    call = front.stub.Submit(pb.SubmitRequest(inputs=[Input(content=b"x")], webhook="https://images.example.com/"))
    await refused(call, grpc.StatusCode.FAILED_PRECONDITION, "URI_FORBIDDEN")
    assert not (await front.submit()).HasField("webhook")


async def test_a_new_secret_signs_beside_the_old_one_without_a_restart(calling, hand, host, secrets):
    async with calling() as front:
        secrets.write_text(f'"*" = ["{whsec(NEW_SECRET)}", "{whsec(SECRET)}"]\n')
        async with asyncio.timeout(LIMIT_S):
            while True:
                host.asked.clear()
                job = await done(front, hand, webhook=host.url("/hook"))
                await told(front, job.id)
                if " " in host.asked[0].headers["webhook-signature"]:
                    break
    for secret in (SECRET, NEW_SECRET):
        verify(host.asked[0], secret)


async def test_another_webhook_is_another_request(calling, host, refused):
    async with calling() as front:
        job = await front.submit(webhook=host.url("/hook"), request_id="r1")
        request = pb.SubmitRequest(inputs=[Input(name="p0", content=b"picture 0")], webhook=host.url("/hook"), request_id="r1")
        assert (await front.stub.Submit(request)).job.id == job.id
        request.webhook = host.url("/other")
        await refused(front.stub.Submit(request), grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_a_deleted_job_is_told_of_no_more_and_a_kept_one_waits_for_its_call(calling, hand, host):
    host.answers["/hook"] = ok(b"", status="500 Internal Server Error")
    async with calling(attempts=1000) as front:
        deleted = await done(front, hand, webhook=host.url("/hook"))
        kept = await done(front, hand, webhook=host.url("/hook"), ttl=duration(1_000_000))
        async with asyncio.timeout(LIMIT_S):
            await host.until_asked(2)
        await front.stub.Delete(pb.DeleteRequest(job_id=deleted.id))
        count = len(host.asked)
        async with asyncio.timeout(LIMIT_S):
            await host.until_asked(count + 10)  # some seconds: it is past its ttl by then
        ids = [asked.headers["webhook-id"] for asked in host.asked[count:]]
        assert ids.count(f"job_{deleted.id}") <= 1, "one may have been under way"
        assert (await front.stub.Get(pb.GetRequest(job_id=kept.id))).job.webhook.state == WEBHOOK_STATE_PENDING
        heard = asyncio.Event()  # once it was called, nothing keeps it any more

        async def hear(writer: asyncio.StreamWriter) -> None:
            writer.write(ok(b""))
            await writer.drain()
            heard.set()

        host.answers["/hook"] = hear
        async with asyncio.timeout(LIMIT_S):
            await heard.wait()


async def test_a_retry_is_told_too(calling, hand, host):
    async with calling() as front:
        job = await front.submit(webhook=host.url("/hook"))
        await front.stub.Cancel(pb.CancelRequest(job_id=job.id))
        await told(front, job.id)
        again = (await front.stub.Retry(pb.RetryRequest(job_id=job.id))).job
        await front.stub.Cancel(pb.CancelRequest(job_id=again.id))
        await told(front, again.id)
    assert [asked.headers["webhook-id"] for asked in host.asked] == [f"job_{each.id}" for each in (job, again)]


async def test_a_slow_receiver_of_one_principal_is_called_a_few_times_at_once_only(calling, hand, host):
    go = asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        await go.wait()
        writer.write(ok(b""))
        await writer.drain()

    host.answers["/hook"] = slow
    async with calling() as front:
        jobs = [await front.submit(webhook=host.url("/hook")) for _ in range(AT_ONCE_EACH + 4)]
        for job in jobs:
            await front.stub.Cancel(pb.CancelRequest(job_id=job.id))
        async with asyncio.timeout(LIMIT_S):
            await host.until_asked(AT_ONCE_EACH)
        begun = [(await front.stub.Get(pb.GetRequest(job_id=job.id))).job.webhook.attempts for job in jobs]
        assert sum(begun) == len(host.asked) == AT_ONCE_EACH
        go.set()
        for job in jobs:
            await told(front, job.id)
    assert len(host.asked) == len(jobs)


async def test_what_was_owed_when_all_gateways_went_is_told_when_one_comes(calling, start, hand, host):
    async with calling() as front:
        job = await front.submit(webhook=host.url("/hook"))
    async with hand.taking() as deliveries:
        await hand.finish_next(deliveries, "cat")
    async with calling() as front:
        await told(front, job.id)
    assert len(host.asked) == 1


async def test_a_gateway_that_stops_lets_its_calls_come_to_an_end(calling, hand, host):
    go = asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        await go.wait()
        writer.write(ok(b""))
        await writer.drain()

    host.answers["/hook"] = slow
    async with calling() as front:
        job = await done(front, hand, webhook=host.url("/hook"))
        async with asyncio.timeout(LIMIT_S):
            await host.until_asked(1)
        asyncio.get_running_loop().call_later(0.5, go.set)
    async with calling() as front:
        await told(front, job.id)
    assert len(host.asked) == 1


async def test_two_gateways_call_once(calling, hand, host):
    async with calling() as one, calling() as two:
        jobs = [await done(front, hand, webhook=host.url("/hook")) for front in (one, two) * 5]
        for job in jobs:
            await told(one, job.id)
    assert sorted(asked.headers["webhook-id"] for asked in host.asked) == sorted(f"job_{job.id}" for job in jobs)


async def test_no_line_of_the_log_has_the_secrets_of_an_address(calling, hand, host, caplog):
    host.answers["/hook"] = ok(b"", status="500 Internal Server Error")
    async with calling(attempts=2) as front:
        job = await done(front, hand, webhook=host.url("/hook?key=s3cr3t"))
        await told(front, job.id, state=WEBHOOK_STATE_GIVEN_UP)
    assert "answers 500" in caplog.text
    assert "s3cr3t" not in caplog.text
    assert whsec(SECRET) not in caplog.text


@pytest.mark.parametrize(
    "content",
    [
        "ann = 1",
        "ann = []",
        'ann = ["x"]',
        f'ann = ["{whsec(b"x" * 23)}"]',
        f'ann = ["{whsec(b"x" * 65)}"]',
        "ann = [",
        'a = ["whsec_s3cr3t!"]',
    ],
)
def test_a_file_that_makes_no_sense_is_refused_without_telling_what_is_in_it(tmp_path, content):
    file = tmp_path / "secrets.toml"
    file.write_text(content)
    flags = ["--webhooks-to", "https://images.example.com", "--webhook-secrets", str(file)]
    config = read_config(flags, {}, tmp_path)
    with pytest.raises(ConfigurationError) as refusal:
        WebhookSecrets(config.webhooks.secrets)
    assert "s3cr3t" not in str(refusal.value)


def test_hosts_without_secrets_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="--webhook-secrets"):
        read_config(["--webhooks-to", "https://images.example.com"], {}, tmp_path)
    with pytest.raises(ConfigurationError, match="bucket"):
        read_config(["--webhooks-to", "s3://bucket"], {}, tmp_path)
