"""A video through the whole way, and what a client sees of it while it runs."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import psutil
import pytest

import myeye
from myeye import AsyncClient
from myeye.v1.event_pb2 import FramesDetected
from myeye.v1.job_pb2 import STATE_CANCELLED, STATE_FAILED, STATE_RUNNING, STATE_SUCCEEDED

LIMIT_S = 60


@pytest.fixture
def clip(video_at: Callable[..., Path], tmp_path: Path) -> Path:
    """Four seconds."""
    return video_at(tmp_path / "clip.mp4", frames=40)


@pytest.fixture
def film(video_at: Callable[..., Path], tmp_path: Path) -> Path:
    """Too long to end by itself within a test."""
    return video_at(tmp_path / "film.webm", codec="VP80", frames=6000, size=(64, 48))


def told(events: list[Any], attempt: int = 1) -> list[FramesDetected]:
    detected = [event.frames_detected for event in events if event.HasField("frames_detected")]
    return [each for each in detected if each.attempt == attempt]


async def first_frames(client: AsyncClient, job_id: str) -> None:
    """Wait until something was found in a video."""
    async with asyncio.timeout(LIMIT_S):
        async for _ in client.frames(job_id):
            return


def video_processes(worker: int) -> list[psutil.Process]:
    children = psutil.Process(worker).children(recursive=True)
    return [child for child in children if "worker.video.child" in " ".join(child.cmdline())]


async def test_a_person_is_seen_going_and_a_drawing_is_kept(mesh_on, clip, tmp_path):
    with mesh_on() as mesh:
        async with AsyncClient(mesh.target) as client:
            job = await client.submit(clip, max_fps=10, annotate=True)
            updates = [update async for update in client.watch(job.id, after_sequence=0)]
            job = await client.get(job.id)
            drawn = tmp_path / "drawn.webm"
            drawn.write_bytes(await client.download(job.id))
    events = [update.event for update in updates if update.HasField("event")]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    opened, *batches = told(events)
    assert (len(opened.frames), opened.video.frames_total) == (0, 40)
    assert len(batches) > 1, "they came while the video was running"
    frames = [frame for batch in batches for frame in batch.frames]
    assert [frame.index for frame in frames] == list(range(40))
    people = [[found.bounding_box for found in frame.detections if found.category == "person"] for frame in frames]
    assert sum(map(bool, people)) > 30
    lefts = [boxes[0].x_px for boxes in people if boxes]
    assert lefts[15] > lefts[0], "she goes to the right"
    item = job.items[0]
    assert (item.state, item.video.frames_done, item.video.frames_total, item.video.annotated) == (STATE_SUCCEEDED, 40, 40, True)
    assert (job.progress.frames_done, item.HasField("result"), item.timings.detect.ToNanoseconds() > 0) == (40, False, True)
    counted = [update.item_progress for update in updates if update.item_progress.frames_done]
    assert any(0 < each.frames_done < 40 and each.frames_total == 40 for each in counted), "progress in frames"
    capture = cv2.VideoCapture(str(drawn), cv2.CAP_FFMPEG)
    assert capture.get(cv2.CAP_PROP_FPS) == 10
    assert sum(1 for _ in itertools.takewhile(lambda _: capture.grab(), itertools.count())) == 40


async def test_pictures_go_first_beside_a_long_video_which_cancel_ends(mesh_on, film, clip, grace_hopper):
    with mesh_on(detectors=1) as mesh:
        async with AsyncClient(mesh.target) as client:
            job = await client.submit(film, max_fps=10)
            await first_frames(client, job.id)
            [process] = video_processes(mesh.workers[0].pid)
            pictures = await client.detect([grace_hopper] * 10)
            short = await client.detect(clip, max_fps=2)
            assert (pictures.state, short.state) == (STATE_SUCCEEDED, STATE_SUCCEEDED)
            assert (await client.get(job.id)).state == STATE_RUNNING
            await client.cancel(job.id)
            ended = await client.wait(job.id)
            assert (ended.state, 0 < ended.items[0].video.frames_done < 6000) == (STATE_CANCELLED, True)
            assert (await client.detect(clip, max_fps=2)).state == STATE_SUCCEEDED, "its places are free again"
            async with asyncio.timeout(LIMIT_S):
                while process.is_running():
                    await asyncio.to_thread(psutil.wait_procs, [process], 1)


async def test_a_broken_video_fails_with_its_reason_and_keeps_what_was_found(mesh_on, video_at, tmp_path):
    whole = video_at(tmp_path / "whole.avi", codec="MJPG", frames=20)
    cut, text = tmp_path / "cut.avi", tmp_path / "text.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    text.write_bytes(b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isommp42" + b"words " * 1000)
    with mesh_on() as mesh:
        async with AsyncClient(mesh.target) as client:
            jobs = [await client.detect(path, max_fps=10) for path in (cut, text)]
            frames = [frame async for frame in client.frames(jobs[0].id)]
            long = await client.submit(whole, max_fps=10, video_start=20)
            late = await client.wait(long.id)
    reasons = [(job.state, myeye.reason(job.items[0].error), job.items[0].attempt) for job in (*jobs, late)]
    assert reasons == [
        (STATE_FAILED, "VIDEO_TRUNCATED", 1),
        (STATE_FAILED, "VIDEO_INVALID", 1),
        (STATE_FAILED, "VIDEO_INVALID", 1),
    ]
    assert 5 <= len(frames) == jobs[0].items[0].video.frames_done < 20
    assert any(found.category == "person" for frame in frames for found in frame.detections)


async def test_a_worker_that_is_killed_makes_a_new_attempt_from_the_first_frame(mesh_on, video_at, tmp_path):
    path = video_at(tmp_path / "clip.avi", codec="MJPG", frames=80)
    with mesh_on() as mesh:
        async with AsyncClient(mesh.target) as client:
            job = await client.submit(path, max_fps=10)
            await first_frames(client, job.id)
            processes = video_processes(mesh.workers[0].pid)
            mesh.workers[0].kill()
            mesh.start()
            async with asyncio.timeout(LIMIT_S):
                events = [update.event async for update in client.watch(job.id, after_sequence=0) if update.HasField("event")]
    assert not any(process.is_running() for process in processes), "it dies with its worker"
    assert 0 < sum(len(batch.frames) for batch in told(events, 1)) < 80
    again = [frame.index for batch in told(events, 2) for frame in batch.frames]
    assert again == list(range(80))
    assert events[-2].item_finished.item.state == STATE_SUCCEEDED


def test_the_command_line_counts_what_is_seen_and_writes_it_drawn(mesh_on, clip, tmp_path):
    with mesh_on() as mesh:
        command = [sys.executable, "-m", "myeye", "--target", mesh.target]
        detect = [*command, "detect", str(clip), "--fps", "5", "--end", "3s"]
        drawn = [*detect, "--annotate", "--output", str(tmp_path)]
        shown = subprocess.run(drawn, capture_output=True, text=True, timeout=60, check=False)
        as_json = subprocess.run([*detect, "--json"], capture_output=True, text=True, timeout=60, check=False)
        job = json.loads(as_json.stdout)
        listed = subprocess.run([*command, "frames", job["id"]], capture_output=True, text=True, timeout=60, check=False)
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / f"{clip.stem}.detected.webm").read_bytes().startswith(b"\x1a\x45\xdf\xa3")
    assert "of 15 frames" in shown.stderr
    assert "person" in shown.stdout
    assert job["items"][0]["video"]["frames_done"] == 15
    assert len(listed.stdout.splitlines()) == 15
