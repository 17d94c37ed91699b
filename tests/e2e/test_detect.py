"""A picture through the whole way, and what a client sees of it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from PIL import Image

from myeye import AsyncClient, QueueFull
from myeye.v1.job_pb2 import STATE_FAILED, STATE_PARTIALLY_SUCCEEDED, STATE_SUCCEEDED


def encoded(extension: str, pixels: np.ndarray, *parameters: int) -> bytes:
    done, data = cv2.imencode(extension, pixels, list(parameters))
    assert done
    return data.tobytes()


def bomb(png: bytes, side: int) -> bytes:
    """Claim another size in a PNG's header."""
    header = b"IHDR" + side.to_bytes(4) * 2 + png[24:29]
    return png[:12] + header + zlib.crc32(header).to_bytes(4) + png[33:]


def reason(item) -> str:
    """The reason in an item's error."""
    info = ErrorInfo()
    assert item.error.details[0].Unpack(info)
    return info.reason


async def test_a_person_is_found_and_the_way_there_is_told(mesh_on, grace_hopper):
    with mesh_on() as mesh:
        async with AsyncClient(mesh.target) as client:
            job = await client.submit(grace_hopper, annotate=True)
            events = [update.event async for update in client.watch(job.id, after_sequence=0) if update.HasField("event")]
            job = await client.get(job.id)
    assert [event.sequence for event in events] == [1, 2, 3, 4]
    item = events[2].item_finished.item
    assert job.items[0] == item
    best = item.result.detections[0]
    assert best.category == "person"
    assert best.score > 0.5
    assert (item.result.width_px, item.result.height_px) == (512, 600)
    box = best.bounding_box
    assert box.width_px * box.height_px > 0.4 * 512 * 600, "she fills the picture"
    assert item.result.annotated
    annotated = next(path for path in (mesh.folder / "blobs").rglob("*~annotated"))
    assert cv2.imdecode(np.frombuffer(annotated.read_bytes(), np.uint8), cv2.IMREAD_COLOR).shape == (600, 512, 3)
    assert item.timings.detect.ToNanoseconds() > 0


async def test_good_and_bad_pictures_in_one_job_each_get_their_own_answer(mesh_on, grace_hopper):
    photo = grace_hopper.read_bytes()
    plain = np.full((40, 60, 3), 90, np.uint8)
    pictures = [
        ("good.jpg", photo),
        ("grey.jpg", encoded(".jpg", plain[:, :, 0])),
        ("deep.png", encoded(".png", plain.astype(np.uint16) * 257)),
        ("alpha.png", encoded(".png", np.dstack([plain, plain[:, :, 0]]))),
        ("one.webp", encoded(".webp", plain)),
        ("pixel.png", encoded(".png", plain[:1, :1])),
        ("truncated.jpg", photo[: len(photo) // 2]),
        ("notes.txt", b"these are words, not pixels\n" * 40),
        ("bomb.png", bomb(encoded(".png", plain), 30_000)),
    ]
    with mesh_on() as mesh:
        async with AsyncClient(mesh.target) as client:
            job = await client.detect(pictures)
    assert job.state == STATE_PARTIALLY_SUCCEEDED
    good, bad = job.items[:6], job.items[6:]
    assert [item.state for item in good] == [STATE_SUCCEEDED] * 6
    assert [(item.name, reason(item), item.attempt) for item in bad] == [
        ("truncated.jpg", "IMAGE_INVALID", 1),
        ("notes.txt", "IMAGE_INVALID", 1),
        ("bomb.png", "IMAGE_TOO_LARGE", 1),
    ]


async def test_options_reach_the_detector(mesh_on, grace_hopper):
    with mesh_on() as mesh:
        async with AsyncClient(mesh.target) as client:
            jobs = await asyncio.gather(
                client.detect(grace_hopper, score_threshold=0.05, max_results=3),
                client.detect(grace_hopper, category_allowlist=["tie"], score_threshold=0.05),
                client.detect(grace_hopper, category_denylist=["person"], score_threshold=0.05),
                client.detect(grace_hopper, score_threshold=1.0),
            )
            found = [[detection.category for detection in job.items[0].result.detections] for job in jobs]
            models = (await client.capabilities()).models
    assert len(found[0]) == 3
    assert set(found[1]) <= {"tie"}
    assert "person" not in found[2]
    assert found[3] == []
    assert models[0].live_workers == 1
    assert {"person", "tie"} <= set(models[0].categories)
    assert len(models[0].categories) == 80


async def test_rotated_pictures_are_seen_upright(mesh_on, grace_hopper):
    upright = Image.open(grace_hopper)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    with mesh_on() as mesh:
        path = mesh.folder / "turned.jpg"
        upright.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif, quality=95)
        async with AsyncClient(mesh.target) as client:
            job = await client.detect(path)
    result = job.items[0].result
    assert (result.width_px, result.height_px) == (512, 600)
    assert result.detections[0].category == "person"


def test_the_command_line_finds_a_person(mesh_on, grace_hopper, tmp_path: Path):
    with mesh_on() as mesh:
        command = [sys.executable, "-m", "myeye", "--target", mesh.target, "detect", str(grace_hopper), "--output", str(tmp_path)]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        as_json = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60, check=False)
    assert shown.returncode == 0, shown.stderr
    assert "person" in shown.stdout
    picture = cv2.imread(str(tmp_path / "grace_hopper.detected.jpg"))
    assert picture is not None
    assert picture.shape == (600, 512, 3)
    found = json.loads(as_json.stdout)
    assert found["items"][0]["result"]["detections"][0]["category"] == "person"


def test_a_failed_picture_gives_exit_status_one(mesh_on, tmp_path: Path):
    text = tmp_path / "notes.jpg"
    text.write_text("not a picture " * 100)
    with mesh_on() as mesh:
        command = [sys.executable, "-m", "myeye", "--target", mesh.target, "detect", str(text)]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert shown.returncode == 1
    assert "IMAGE_INVALID" in shown.stdout


@pytest.mark.parametrize("what", ["cancel", "retry"])
async def test_cancel_and_retry_reach_the_worker(mesh_on, grace_hopper, what):
    with mesh_on() as mesh:
        mesh.workers[0].stop()
        async with AsyncClient(mesh.target) as client:
            jobs = [await client.submit(grace_hopper) for _ in range(3)]
            await client.cancel(jobs[0].id, "not that one")
            if what == "retry":
                jobs[0] = await client.retry(jobs[0].id)
            mesh.start()
            for job in jobs[1:]:
                assert (await client.wait(job.id)).state == STATE_SUCCEEDED
            first = await client.wait(jobs[0].id)
    assert first.state == (STATE_SUCCEEDED if what == "retry" else first.state)
    assert first.state != STATE_FAILED
    assert first.attempt == (1 if what == "retry" else 0), "a cancelled job never runs"


async def cancel_many(client: AsyncClient, picture: Path) -> None:
    """Submit and cancel more than a queue of two takes: RabbitMQ's quorum queues take a few more than their limit."""
    for _ in range(20):
        await client.cancel((await client.submit(picture)).id)


async def test_what_was_cancelled_is_in_the_queue_until_a_worker_is_there_and_drops_it(mesh_on, grace_hopper):
    """No broker lets a gateway take one message out of a queue's middle; docs/reliability.md says what follows."""
    short = ("--max-queue-length", "2")
    with mesh_on(gateway_flags=short, worker_flags=short) as mesh:
        mesh.workers[0].stop()
        async with AsyncClient(mesh.target) as client:
            with pytest.raises(QueueFull):
                await cancel_many(client, grace_hopper)
            mesh.start()
            [(_, job)] = [each async for each in client.detect_many([grace_hopper])]  # it waits while the queue is full
    assert job.state == STATE_SUCCEEDED
