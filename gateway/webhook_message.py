"""What a webhook is told, signed by the Standard Webhooks scheme (github.com/standard-webhooks/standard-webhooks)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence

from google.protobuf.json_format import MessageToDict

from myeye.v1.job_pb2 import Job, State


def body_of(job: Job) -> bytes:
    """Write that a job has ended: the job as REST tells it, without its items and its webhook."""
    told = Job()
    told.CopyFrom(job)
    told.ClearField("items")
    told.ClearField("webhook")
    data = MessageToDict(told, preserving_proto_field_name=True)
    kind = State.Name(job.state).removeprefix("STATE_").lower()
    message = {"type": f"job.{kind}", "timestamp": data["end_time"], "data": data}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


def headers_of(job_id: str, body: bytes, secrets: Sequence[bytes], now_s: int) -> tuple[tuple[str, str], ...]:
    """Sign a body with each secret. The id is the same in every call for a job: who was called twice knows by it."""
    message_id = f"job_{job_id}"
    signed = f"{message_id}.{now_s}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets)
    return (
        ("content-type", "application/json"),
        ("webhook-id", message_id),
        ("webhook-timestamp", str(now_s)),
        ("webhook-signature", " ".join(f"v1,{signature}" for signature in signatures)),
    )
