"""Uploads: in as many calls as it takes, on any gateway, and nothing that was told as received is ever lost."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody

from dispatch.blobs import open_blobs
from dispatch.codec import nanoseconds
from gateway.errors import UploadNotFound
from gateway.limits import Defaults, Limits
from gateway.upload_expiry import remove_expired
from gateway.upload_intake import PART_BYTES, SMALL_BYTES
from gateway.upload_target import Target, upload_folder
from gateway.uploads import Uploads
from myeye.v1 import blob_service_pb2 as pb
from myeye.v1.blob_service_pb2_grpc import BlobServiceStub
from myeye.v1.detection_service_pb2 import GetCapabilitiesRequest
from myeye.v1.upload_pb2 import Upload, UploadTarget

ID = "the-upload-of-this-test"
BODY = random.Random(7).randbytes(2 * PART_BYTES + 1_000_000)
LIMIT_S = 30


def target(body: bytes = BODY, offset: int = 0, **changes) -> UploadTarget:
    fields = {"upload_id": ID, "size_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), "offset": offset}
    return UploadTarget(**{**fields, **changes})


def messages(first: UploadTarget, data: bytes = b"", size: int = 100_000) -> list[pb.UploadRequest]:
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return [pb.UploadRequest(target=first), *(pb.UploadRequest(data=piece) for piece in pieces)]


async def upload(front, first: UploadTarget, data: bytes = b"", size: int = 100_000) -> Upload:
    return (await front.blob_stub.Upload(iter(messages(first, data, size)))).upload


async def received(front, upload_id: str = ID) -> Upload:
    return (await front.blob_stub.GetUpload(pb.GetUploadRequest(upload_id=upload_id))).upload


async def received_at_least(front, least: int) -> Upload:
    """Ask until so many bytes are durable."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            with suppress(grpc.aio.AioRpcError):  # not found, before the first byte
                if (now := await received(front)).received_bytes >= least:
                    return now


def stored(front) -> dict[str, Path]:
    """Give the files of the blob store by what they are of the upload."""
    return {path.name.split("~", 3)[3]: path for path in front.blobs if path.name.startswith("uploads~")}


def whole(front) -> bytes:
    (path,) = (path for what, path in stored(front).items() if what.startswith("whole."))
    return path.read_bytes()


async def test_an_upload_in_one_call_is_complete_and_leaves_no_parts(front):
    done = await upload(front, target(), BODY)
    assert (done.id, done.size_bytes, done.received_bytes, done.complete) == (ID, len(BODY), len(BODY), True)
    assert await received(front) == done
    assert whole(front) == BODY
    assert len(front.blobs) == 2, "the whole, and a word that it is"
    defaults = (await front.stub.GetCapabilities(GetCapabilitiesRequest())).defaults
    left_s = (nanoseconds(done.expire_time) - time.time_ns()) / 1e9
    assert 0 <= defaults.upload_ttl.ToSeconds() - left_s < LIMIT_S


async def test_a_stream_that_ends_early_tells_where_to_go_on(front):
    cut = PART_BYTES + 12_345
    first = await upload(front, target(), BODY[:cut])
    assert (first.received_bytes, first.complete) == (cut, False)
    assert await received(front) == first
    assert (await upload(front, target(offset=cut), BODY[cut:])).complete
    assert whole(front) == BODY


async def test_what_came_before_a_cut_is_kept_even_in_the_middle_of_a_part(front):
    sent = PART_BYTES + 700_000
    call = front.blob_stub.Upload()
    for message in messages(target(), BODY[:sent]):
        await call.write(message)
    await received_at_least(front, PART_BYTES)
    call.cancel()
    now = await received_at_least(front, PART_BYTES + 1)
    assert now.received_bytes <= sent
    assert (await upload(front, target(offset=now.received_bytes), BODY[now.received_bytes :])).complete
    assert whole(front) == BODY


async def test_another_gateway_goes_on_with_it(start):
    async with start() as one, start() as other:
        cut = 3_000_000
        await upload(one, target(), BODY[:cut])
        assert (await received(other)).received_bytes == cut
        assert (await upload(other, target(offset=cut), BODY[cut:])).complete
        assert (await received(one)).complete


async def test_a_gateway_that_stops_keeps_what_came_and_says_so(start, refused):
    sent = PART_BYTES + 1_000_000
    async with AsyncExitStack() as stack:
        async with start(drain_s=600.0) as front:  # which a call that is not ended would use up
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(front.target))
            call = BlobServiceStub(channel).Upload()
            for message in messages(target(), BODY[:sent]):
                await call.write(message)
            await received_at_least(front, PART_BYTES)
        await refused(call, grpc.StatusCode.UNAVAILABLE, "DRAINING")
    async with start() as front:
        assert PART_BYTES < (await received(front)).received_bytes <= sent


async def test_bytes_that_are_durable_already_are_skipped(front):
    await upload(front, target(), BODY[:5_000_000])
    assert (await upload(front, target(offset=1_000_000), BODY[1_000_000:2_000_000])).received_bytes == 5_000_000
    assert (await upload(front, target(offset=1_000_000), BODY[1_000_000:])).complete
    assert whole(front) == BODY
    again = await upload(front, target(), BODY)
    assert again.complete, "a whole one too"
    assert len(front.blobs) == 2


async def test_a_call_with_no_data_completes_what_was_received_to_its_last_byte(front):
    folder = f"{target().size_bytes}-{target().sha256}"
    blobs = open_blobs(front.config.blobs)
    uploads = f"{upload_folder('', ID)}{folder}/parts"
    await blobs.put(f"{uploads}/0-{len(BODY)}", BODY)  # as a gateway leaves it that dies just before the end
    now = await received(front)
    assert (now.received_bytes, now.complete) == (len(BODY), False)
    assert (await upload(front, target(offset=len(BODY)))).complete
    assert whole(front) == BODY


async def test_a_call_with_no_data_to_nothing_leaves_nothing(front, refused):
    nothing = await upload(front, target())
    assert (nothing.received_bytes, nothing.complete, nothing.HasField("expire_time")) == (0, False, False)
    await refused(received(front), grpc.StatusCode.NOT_FOUND, "UPLOAD_NOT_FOUND")


async def test_calls_at_once_do_not_harm_one_another(start):
    async with start() as one, start() as other:
        calls = [upload(front, target(), BODY, size) for front in (one, other) for size in (100_000, 333_333, 1_000_000)]
        halves = [upload(one, target(), BODY[:middle]) for middle in (1, 4_000_000, 5_000_001)]
        done = await asyncio.gather(*calls, *halves)
        assert all(each.complete for each in done[: len(calls)])
        assert (await received(other)).complete
        wholes = {path.read_bytes() for what, path in stored(one).items() if what.startswith("whole.")}
        assert wholes == {BODY}


async def test_many_small_calls_leave_few_parts(front):
    body, step = BODY[: 3 * SMALL_BYTES], 10_000
    for start in range(0, len(body) - step, step):
        assert (await upload(front, target(body, start), body[start : start + step])).received_bytes == start + step
    assert len(stored(front)) <= 3
    start = (await received(front)).received_bytes
    assert (await upload(front, target(body, start), body[start:])).complete
    assert whole(front) == body


async def test_a_wrong_hash_removes_it_and_it_can_begin_again(front, refused):
    wrong = bytes([BODY[0] ^ 1]) + BODY[1:]
    details = await refused(upload(front, target(), wrong), grpc.StatusCode.DATA_LOSS, "UPLOAD_CORRUPT")
    assert details["ErrorInfo"].metadata == {"upload_id": ID}
    assert front.blobs == []
    await refused(received(front), grpc.StatusCode.NOT_FOUND, "UPLOAD_NOT_FOUND")
    assert (await upload(front, target(), BODY)).complete


async def test_without_a_hash_nothing_is_checked(front):
    assert (await upload(front, target(sha256=""), BODY[::-1])).complete
    assert whole(front) == BODY[::-1]


@pytest.mark.parametrize("changes", [{"size_bytes": len(BODY) + 1}, {"sha256": "0" * 64}, {"sha256": ""}])
async def test_an_id_is_not_used_for_anything_else(front, refused, changes):
    await upload(front, target(), BODY[:10])
    details = await refused(upload(front, target(**changes)), grpc.StatusCode.ALREADY_EXISTS, "UPLOAD_ID_REUSED")
    assert details["ErrorInfo"].metadata == {"upload_id": ID}
    assert (await received(front)).received_bytes == 10


async def test_an_offset_beyond_what_was_received_is_told_where_to_go_on(front, refused):
    await upload(front, target(), BODY[:10])
    details = await refused(upload(front, target(offset=11)), grpc.StatusCode.OUT_OF_RANGE, "UPLOAD_OFFSET")
    assert details["ErrorInfo"].metadata == {"upload_id": ID, "received_bytes": "10"}
    assert (await upload(front, target(offset=10), BODY[10:20])).received_bytes == 20


async def test_more_than_the_size_is_refused_and_what_fits_is_kept(front, refused):
    body = BODY[:1_000]
    extra = [*messages(target(body), body, 100), pb.UploadRequest(data=b"x")]
    details = await refused(front.blob_stub.Upload(iter(extra)), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert [violation.field for violation in details["BadRequest"].field_violations] == ["data"]
    assert (await received(front)).received_bytes == len(body)
    assert (await upload(front, target(body, len(body)))).complete


async def test_the_largest_size_is_fine_and_one_byte_more_is_not(start, refused):
    async with start(Limits(max_upload_bytes=1_000)) as front:
        assert (await front.stub.GetCapabilities(GetCapabilitiesRequest())).limits.max_upload_bytes == 1_000
        assert (await upload(front, target(BODY[:1_000]), BODY[:1_000])).complete
        for size in (0, 1_001):
            call = upload(front, target(BODY[:size], upload_id="another-upload-of-this"))
            details = await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
            assert [violation.field for violation in details["BadRequest"].field_violations] == ["size_bytes"]


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [pb.UploadRequest()],
        [pb.UploadRequest(data=b"x")],
        [pb.UploadRequest(target=target()), pb.UploadRequest(target=target())],
    ],
    ids=["nothing", "an empty message", "data first", "two targets"],
)
async def test_a_stream_begins_with_one_target_and_has_no_other(front, refused, sent: Iterable[pb.UploadRequest]):
    details = await refused(front.blob_stub.Upload(iter(sent)), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert [violation.field for violation in details["BadRequest"].field_violations] == ["target"]


@pytest.mark.parametrize("upload_id", ["", "../../../../../etc/passwd", "a/b/c/d/e/f/g/h/i/j", "x" * 65, "0123456789abcde."])
async def test_ids_that_could_lead_elsewhere_are_refused_everywhere(front, refused, upload_id):
    for call in (upload(front, target(upload_id=upload_id)), received(front, upload_id)):
        await refused(call, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert front.blobs == []


async def test_pieces_of_http_are_an_upload_like_any_other(front, refused):
    pieces = itertools.pairwise([0, 1_000_000, PART_BYTES + 5, len(BODY)])
    for start, end in pieces:
        request = pb.UploadImageRequest(
            upload_id=ID,
            size_bytes=len(BODY),
            sha256=target().sha256,
            offset=start,
            piece=HttpBody(content_type="application/x-www-form-urlencoded", data=BODY[start:end]),
        )
        answer = (await front.blob_stub.UploadImage(request)).upload
        assert answer.received_bytes == end
    assert answer.complete
    assert whole(front) == BODY
    request.upload_id = "short"
    await refused(front.blob_stub.UploadImage(request), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")


async def test_a_blob_store_that_is_away_costs_nothing_that_was_received(front, refused):
    await upload(front, target(), BODY[:5_000_000])
    folder = next(iter(stored(front).values())).parent
    away = folder.with_name("away")
    folder.rename(away)
    folder.touch()
    await refused(upload(front, target(offset=5_000_000), BODY[5_000_000:]), grpc.StatusCode.UNAVAILABLE, "BLOBS_UNAVAILABLE")
    await refused(received(front), grpc.StatusCode.UNAVAILABLE, "BLOBS_UNAVAILABLE")
    folder.unlink()
    away.rename(folder)
    assert (await upload(front, target(offset=5_000_000), BODY[5_000_000:])).complete


async def test_a_part_that_cannot_be_stored_ends_the_call_and_what_was_stored_is_kept(front, refused):
    call = front.blob_stub.Upload()
    for message in messages(target(), BODY[:PART_BYTES]):
        await call.write(message)
    await received_at_least(front, PART_BYTES)
    folder = next(iter(stored(front).values())).parent
    away = folder.with_name("away")
    folder.rename(away)
    folder.touch()
    for message in messages(target(), BODY[PART_BYTES:])[1:]:
        await call.write(message)
    await refused(_done(call), grpc.StatusCode.UNAVAILABLE, "BLOBS_UNAVAILABLE")
    folder.unlink()
    away.rename(folder)
    assert (await received(front)).received_bytes == PART_BYTES


async def _done(call) -> pb.UploadResponse:
    await call.done_writing()
    return await call


async def test_another_principals_upload_is_not_found(tmp_path):
    uploads = Uploads(open_blobs(f"file://{tmp_path}/blobs"), Limits())

    async def data() -> AsyncIterator[bytes]:
        yield b"picture"

    await uploads.receive("ann", Target(ID, 7, "", 0), data())
    assert (await uploads.get("ann", ID)).complete
    with pytest.raises(UploadNotFound):
        await uploads.get("bob", ID)
    with pytest.raises(UploadNotFound):
        await uploads.wholes("bob", [ID])
    assert not (await uploads.receive("bob", Target(ID, 9, "", 0), data())).complete, "it has its own of that id"


async def test_an_upload_is_removed_when_its_last_byte_is_too_old(front, refused):
    blobs = open_blobs(front.config.blobs)
    last_ns = nanoseconds((await upload(front, target(), BODY[:10])).expire_time) - Defaults().upload_ttl_ns
    await upload(front, target(upload_id="a-younger-one-than-that"), BODY)
    await remove_expired(blobs, last_ns)
    assert (await received(front)).received_bytes == 10
    await asyncio.gather(remove_expired(blobs, last_ns + 1), remove_expired(blobs, last_ns + 1))  # two gateways at once
    await refused(received(front), grpc.StatusCode.NOT_FOUND, "UPLOAD_NOT_FOUND")
    assert (await received(front, "a-younger-one-than-that")).complete


async def test_the_gateway_removes_expired_uploads_by_itself(start, refused):
    async def asked_again_and_again() -> None:
        async with asyncio.timeout(LIMIT_S):
            while True:
                await received(front)

    async with start(upload_ttl_s=0.4) as front:
        await upload(front, target(), BODY[:10])
        await refused(asked_again_and_again(), grpc.StatusCode.NOT_FOUND, "UPLOAD_NOT_FOUND")
        assert front.blobs == []
