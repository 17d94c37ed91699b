"""Videos: their frames are told while they are looked at, numbered like everything else, and counted in the progress."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import grpc
import pytest

from dispatch.blobs import open_blobs
from dispatch.codec import duration
from dispatch.events import FramesFound
from dispatch.ports import Kind
from dispatch.v1.signal_pb2 import RunProgress, Signal
from dispatch.v1.task_pb2 import Task
from myeye.v1 import detection_service_pb2 as pb
from myeye.v1.blob_service_pb2 import DownloadAnnotatedRequest
from myeye.v1.blob_service_pb2_grpc import BlobServiceStub
from myeye.v1.detection_pb2 import Detection, FrameResult
from myeye.v1.event_pb2 import FramesDetected
from myeye.v1.job_pb2 import STATE_FAILED, STATE_SUCCEEDED, Input, Job, VideoOptions, VideoResult

WEBM = b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm and so on"
MP4 = b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00 and so on"
SECOND_NS = 1_000_000_000


async def find(hand, task: Task, run: str, first: int, categories: Sequence[str], total: int = 4) -> VideoResult:
    """Tell frames by hand, one for each category."""
    frames = [
        FrameResult(index=first + offset, time=duration((first + offset) * SECOND_NS), detections=[Detection(category=name)])
        for offset, name in enumerate(categories)
    ]
    video = VideoResult(width_px=4, height_px=3, frames_done=first + len(frames), frames_total=total)
    found = FramesDetected(frames=frames).SerializeToString()
    await hand.tell(
        FramesFound,
        task,
        item=task.item,
        run_id=run,
        first=first,
        count=len(frames),
        frames=found,
        video=video.SerializeToString(),
    )
    return video


async def job_at(front, job_id: str, sequence: int) -> Job:
    """Give a job once the gateway has told so many events of it."""
    call = front.stub.Watch(pb.WatchRequest(job_id=job_id, after_sequence=0))
    while (await call.read()).event.sequence < sequence:
        pass
    call.cancel()
    return (await front.stub.Get(pb.GetRequest(job_id=job_id))).job


async def tell_often(hand, signal: bytes) -> None:
    """Tell a signal again and again: what comes before the gateway has read of the run means nothing to it, and is dropped."""
    while True:
        await hand.broker.signals.publish(signal)
        await asyncio.sleep(0.05)


async def test_a_video_is_a_task_of_its_own_kind_with_its_options_and_time_limit(front, hand):
    job = await front.submit(inputs=[Input(content=MP4, video=VideoOptions(max_fps=2)), Input(content=b"picture")])
    async with hand.taking(kind=Kind.VIDEO) as videos, hand.taking() as pictures:
        video, picture = [Task.FromString((await anext(each)).body) for each in (videos, pictures)]
    assert (video.job_id, video.item, video.video) == (job.id, 0, VideoOptions(max_fps=2))
    assert (picture.item, picture.HasField("video")) == (1, False)
    assert video.execution_timeout.ToSeconds() > picture.execution_timeout.ToSeconds()


async def test_frames_are_told_as_they_come_and_again_to_whoever_comes_late(front, hand):
    job = await front.submit(inputs=[Input(name="clip", content=MP4)])
    watching = asyncio.ensure_future(front.events(job.id))
    async with hand.taking(kind=Kind.VIDEO) as deliveries:
        task, run = await hand.start(await anext(deliveries))
        await find(hand, task, run, 0, [])
        await find(hand, task, run, 0, ["cat", "dog"])
        video = await find(hand, task, run, 2, ["cat"], total=3)
        await hand.succeed_with_video(task, run, video)
    events = await watching
    assert [event.sequence for event in events] == list(range(1, 8))
    told = [event.frames_detected for event in events if event.HasField("frames_detected")]
    assert [[frame.index for frame in each.frames] for each in told] == [[], [0, 1], [2]]
    assert [frame.detections[0].category for each in told for frame in each.frames] == ["cat", "dog", "cat"]
    assert [(each.item, each.attempt, each.video.frames_done) for each in told] == [(0, 1, 0), (0, 1, 2), (0, 1, 3)]
    finished = events[-2].item_finished.item
    assert (finished.state, finished.video, finished.HasField("result")) == (STATE_SUCCEEDED, video, False)
    assert (events[-1].job_finished.progress.frames_done, events[-1].job_finished.progress.frames_total) == (3, 3)
    assert await front.events(job.id) == events


async def test_a_video_that_fails_keeps_its_frames_and_a_new_attempt_begins_anew(front, hand):
    job = await front.submit(inputs=[Input(content=MP4)], max_attempts=2)
    async with hand.taking(kind=Kind.VIDEO) as deliveries:
        delivery = await anext(deliveries)
        task, run = await hand.start(delivery)
        await find(hand, task, run, 0, ["cat", "dog"])
        assert (await job_at(front, job.id, 3)).progress.frames_done == 2
        task, run = await hand.start(delivery)
        assert (await job_at(front, job.id, 5)).progress.frames_done == 0
        await find(hand, task, run, 0, ["cow"])
        await hand.fail(task, run)
    ended = await job_at(front, job.id, 8)
    assert (ended.state, ended.items[0].video.frames_done, ended.items[0].HasField("error")) == (STATE_FAILED, 1, True)
    told = [event.frames_detected for event in await front.events(job.id) if event.HasField("frames_detected")]
    assert [(each.attempt, [frame.detections[0].category for frame in each.frames]) for each in told] == [
        (1, ["cat", "dog"]),
        (2, ["cow"]),
    ]


async def test_progress_in_frames_is_told_between_the_events(front, hand):
    job = await front.submit(inputs=[Input(content=MP4)])
    call = front.stub.Watch(pb.WatchRequest(job_id=job.id))
    async with hand.taking(kind=Kind.VIDEO) as deliveries:
        _, run = await hand.start(await anext(deliveries))
        doing = RunProgress(job_id=job.id, item=0, run_id=run, stage=3, frames_done=5, frames_total=9)
        telling = asyncio.ensure_future(tell_often(hand, Signal(run_progress=doing).SerializeToString()))
        while not (update := await call.read()).HasField("item_progress"):
            assert update is not grpc.aio.EOF
        telling.cancel()
        call.cancel()
    assert (update.item_progress.frames_done, update.item_progress.frames_total) == (5, 9)


@pytest.mark.parametrize("kept", [True, False])
async def test_retry_looks_at_a_video_as_it_was_asked_for(front, hand, kept):
    asked = VideoOptions(start=duration(SECOND_NS), max_fps=1) if kept else VideoOptions()
    job = await front.submit(inputs=[Input(content=MP4, video=asked)])
    async with hand.taking(kind=Kind.VIDEO) as deliveries:
        delivery = await anext(deliveries)
        task, run = await hand.start(delivery)
        await hand.fail(task, run)
        await delivery.ack()
        await job_at(front, job.id, 4)
        await front.stub.Retry(pb.RetryRequest(job_id=job.id))
        again = Task.FromString((await anext(deliveries)).body)
    assert again.video == task.video


@pytest.mark.parametrize("annotated", [True, False])
async def test_an_annotated_video_is_there_or_it_is_said_that_it_is_not(front, hand, refused, annotated):
    job = await front.submit(inputs=[Input(content=MP4)], annotate=True)
    async with hand.taking(kind=Kind.VIDEO) as deliveries:
        task, run = await hand.start(await anext(deliveries))
        await open_blobs(front.config.blobs).put(task.annotated_blob, WEBM)
        await hand.succeed_with_video(task, run, VideoResult(width_px=4, annotated=annotated))
    await front.events(job.id)
    blobs = BlobServiceStub(front.channel)
    download = blobs.DownloadAnnotated(DownloadAnnotatedRequest(job_id=job.id))
    if annotated:
        body = (await download.read()).body
        assert (body.content_type, body.data) == ("video/webm", WEBM)
    else:
        details = await refused(download.read(), grpc.StatusCode.NOT_FOUND, "ANNOTATED_NOT_FOUND")
        assert details["ErrorInfo"].metadata["state"] == "SUCCEEDED"
