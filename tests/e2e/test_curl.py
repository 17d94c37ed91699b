"""The README's lines for people without a client: reflection alone must do."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

BUF = str(Path(sys.executable).with_name("buf"))
"""As pip installed it, whether or not it is on PATH."""


def buf_curl(target: str, method: str, request: dict[str, Any]) -> list[dict[str, Any]]:
    """Call a method with nothing but its name, and give the messages of the answer."""
    url = f"http://{target}/myeye.v1.DetectionService/{method}"
    command = [BUF, "curl", "--http2-prior-knowledge", "--protocol", "grpc", "-d", "@-", url]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    decoder, text, messages = json.JSONDecoder(), done.stdout.strip(), []
    while text:
        message, end = decoder.raw_decode(text)
        messages.append(message)
        text = text[end:].lstrip()
    return messages


def test_buf_curl_submits_and_watches_with_reflection_alone(mesh_on, grace_hopper: Path):
    picture = {"name": "photo.jpg", "content": base64.b64encode(grace_hopper.read_bytes()).decode()}
    with mesh_on() as mesh:
        listing = [BUF, "curl", "--http2-prior-knowledge", "--protocol", "grpc", "--list-services", f"http://{mesh.target}"]
        services = subprocess.run(listing, capture_output=True, text=True, timeout=60, check=True).stdout.split()
        (submitted,) = buf_curl(mesh.target, "Submit", {"inputs": [picture]})
        story = buf_curl(mesh.target, "Watch", {"job_id": submitted["job"]["id"], "after_sequence": 0})
    assert {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "myeye.v1.DetectionService"} <= set(services)
    events = [message["event"] for message in story if "event" in message]
    assert [event["sequence"] for event in events] == ["1", "2", "3", "4"]
    assert events[2]["itemFinished"]["item"]["result"]["detections"][0]["category"] == "person"
    assert events[3]["jobFinished"]["state"] == "STATE_SUCCEEDED"
