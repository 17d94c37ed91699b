"""What a webhook is told and how it is signed, by the example of the specification."""

from __future__ import annotations

import base64
import json

from gateway.webhook_message import body_of, headers_of
from myeye.v1.job_pb2 import STATE_PARTIALLY_SUCCEEDED, Item, Job, Webhook


def test_the_signature_is_that_of_the_specifications_libraries() -> None:
    """Made with `echo -n id.time.body | openssl dgst -sha256 -mac HMAC -macopt hexkey:… -binary | base64`."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = dict(headers_of("p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', [secret, b"x" * 24], 1614265330))
    assert headers["webhook-id"] == "job_p5jXN8AQM9LWM0D4loKWxJek"
    assert headers["webhook-timestamp"] == "1614265330"
    first, second = headers["webhook-signature"].split(" ")
    assert first == "v1,CuQEixOgNjIb/BtSCLVbz1Iik26r+A3VzKf9jkyrJaI="
    assert second.startswith("v1,")


def test_the_body_is_the_job_without_its_items() -> None:
    job = Job(id="abc", state=STATE_PARTIALLY_SUCCEEDED, items=[Item(name="cat")], webhook=Webhook(attempts=1), last_sequence=9)
    job.end_time.FromJsonString("2026-01-02T03:04:05Z")
    message = json.loads(body_of(job))
    assert message["type"] == "job.partially_succeeded"
    assert message["timestamp"] == "2026-01-02T03:04:05Z"
    assert message["data"] == {
        "id": "abc",
        "state": "STATE_PARTIALLY_SUCCEEDED",
        "last_sequence": "9",
        "end_time": "2026-01-02T03:04:05Z",
    }
    assert job.items, "the job itself is left alone"
