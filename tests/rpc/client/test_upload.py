"""Uploading: by itself when it is needed, through every cut, and the same bytes never twice."""

import hashlib
import random
from io import BytesIO

import cv2
import numpy as np
import pytest

import myeye
from myeye.carriage import UPLOAD_FROM_BYTES

BODY = random.Random(5).randbytes(2_000_000)
ID = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(params=["path", "bytes", "file", "file in its middle"])
def content(request, tmp_path):
    if request.param == "path":
        path = tmp_path / "clip.mp4"
        path.write_bytes(BODY)
        return path
    if request.param == "bytes":
        return BODY
    before = b"before" if request.param == "file in its middle" else b""
    file = BytesIO(before + BODY)
    file.seek(len(before))
    return file


async def test_an_upload_is_a_path_bytes_or_an_open_file(blobs, client, content):
    progress = []
    upload = await client.upload(content, progress=lambda *told: progress.append(told))
    assert (upload.id, upload.complete, upload.size_bytes) == (ID, True, len(BODY))
    assert blobs.uploads == {ID: BODY}
    assert (blobs.targets[0].size_bytes, blobs.targets[0].sha256) == (len(BODY), ID)
    assert (progress[0], progress[-1]) == ((0, len(BODY)), (len(BODY), len(BODY)))
    assert progress == sorted(progress)


async def test_what_is_cut_goes_on_where_it_was(blobs, client, content):
    blobs.cuts.extend([0, 700_000, 1, 1_000_000])
    assert (await client.upload(content)).complete
    assert blobs.uploads == {ID: BODY}
    assert [target.offset for target in blobs.targets] == [0, 0, 700_000, 700_001, 1_700_001]


async def test_the_same_bytes_are_not_sent_again(blobs, client, content):
    await client.upload(BODY)
    assert (await client.upload(content)).complete
    assert len(blobs.targets) == 1


async def test_an_upload_that_gets_nowhere_is_given_up(blobs, server):
    blobs.cuts.extend([0] * 100)
    async with myeye.AsyncClient(server.target, timeout_s=5.0, resume_s=1.0) as client:
        with pytest.raises(myeye.Unavailable):
            await client.upload(BODY)


async def test_nobody_there_is_unavailable(server):
    await server.stop()
    async with myeye.AsyncClient(server.target, timeout_s=0.5) as client:
        with pytest.raises(myeye.Unavailable):
            await client.upload(BODY)


async def test_an_upload_is_submitted_by_its_id_with_a_name_or_without(gateway, client):
    upload = await client.upload(BODY)
    await client.submit(upload)
    await client.submit([("clip.mp4", upload), upload, b"picture"])
    first, second = gateway.requests["Submit"]
    assert [(sent.name, sent.blob) for sent in first.inputs] == [("", ID)]
    assert [(sent.name, sent.blob, sent.content) for sent in second.inputs] == [
        ("clip.mp4", ID, b""),
        ("", ID, b""),
        ("", "", b"picture"),
    ]


async def test_what_is_large_is_uploaded_by_itself_and_the_rest_rides(gateway, blobs, client, tmp_path):
    gateway.limits.max_message_bytes = 20_000_000
    large = tmp_path / "large.png"
    large.write_bytes(bytes(UPLOAD_FROM_BYTES))
    told = []
    await client.submit([large, ("small.png", b"small")], on_upload=lambda *each: told.append(each))
    (request,) = gateway.requests["Submit"]
    assert [(sent.name, len(sent.content)) for sent in request.inputs] == [("large.png", 0), ("small.png", 5)]
    assert blobs.uploads == {request.inputs[0].blob: bytes(UPLOAD_FROM_BYTES)}
    assert (told[0], told[-1]) == (
        ("large.png", 0, UPLOAD_FROM_BYTES),
        ("large.png", UPLOAD_FROM_BYTES, UPLOAD_FROM_BYTES),
    )


async def test_a_large_open_file_is_uploaded_from_where_it_is_and_again_when_that_has_expired(gateway, blobs, client):
    file = BytesIO(b"header" + bytes(UPLOAD_FROM_BYTES))
    file.seek(6)
    gateway.fail("Submit", "NOT_FOUND", "UPLOAD_NOT_FOUND")
    await client.submit(("large.png", file))
    assert [len(uploaded) for uploaded in blobs.uploads.values()] == [UPLOAD_FROM_BYTES]
    assert [request.inputs[0].blob for request in gateway.requests["Submit"]] == [
        hashlib.sha256(bytes(UPLOAD_FROM_BYTES)).hexdigest()
    ] * 2


async def test_pixels_are_uploaded(blobs, client):
    upload = await client.upload(np.full((40, 60, 3), 7, np.uint8))
    sent = cv2.imdecode(np.frombuffer(blobs.uploads[upload.id], np.uint8), cv2.IMREAD_COLOR)
    assert (sent == 7).all()


async def test_what_does_not_fit_one_request_is_uploaded(gateway, blobs, client):
    gateway.limits.max_message_bytes = 5_000_000
    pictures = [bytes([number]) * 2_000_000 for number in range(3)]
    await client.submit(pictures)
    (request,) = gateway.requests["Submit"]
    assert [bool(sent.content) for sent in request.inputs] == [True, True, False]
    assert list(blobs.uploads.values()) == [pictures[2]]


async def test_what_was_uploaded_before_and_has_expired_meanwhile_is_uploaded_again(gateway, blobs, client):
    body = bytes(UPLOAD_FROM_BYTES)
    await client.upload(body)
    gateway.fail("Submit", "NOT_FOUND", "UPLOAD_NOT_FOUND")
    gateway.on_submit = blobs.uploads.clear
    await client.submit(body)
    first, second = gateway.requests["Submit"]
    assert first.request_id == second.request_id
    assert len(blobs.targets) == 2


async def test_an_upload_of_the_callers_own_that_has_expired_is_told(gateway, client):
    gateway.fail("Submit", "NOT_FOUND", "UPLOAD_NOT_FOUND")
    with pytest.raises(myeye.NotFound):
        await client.submit(await client.upload(BODY))
    assert len(gateway.requests["Submit"]) == 1


async def test_a_missing_file_is_an_os_error(client, tmp_path):
    with pytest.raises(FileNotFoundError):
        await client.upload(tmp_path / "none.mp4")
