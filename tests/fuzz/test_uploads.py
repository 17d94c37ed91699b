"""An upload against a model of it: pieces in any order, of any size, again, at wrong places, through two gateways."""

from __future__ import annotations

import asyncio
import hashlib
import random
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dispatch.blobs import open_blobs
from gateway.errors import InvalidRequest, UploadIdReused, UploadNotFound, UploadOffsetOutOfRange
from gateway.limits import Limits
from gateway.upload_intake import PART_BYTES, SMALL_BYTES
from gateway.upload_target import Target
from gateway.uploads import Uploads

BODY = random.Random(5).randbytes(PART_BYTES + SMALL_BYTES + 1000)
DIGEST = hashlib.sha256(BODY).hexdigest()
EDGES = sorted(
    {
        min(max(0, place + beside), len(BODY))
        for place in (0, 1000, SMALL_BYTES, 2 * SMALL_BYTES, PART_BYTES, len(BODY))
        for beside in (-1, 0, 1)
    }
)
"""Where parts begin and end, and one byte beside."""
IDS = st.sampled_from(["the-upload-number-one", "the-upload-number-two"])
GATEWAYS = st.integers(0, 1)
PLACES = st.sampled_from(EDGES)


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


class UploadMachine(RuleBasedStateMachine):
    """`received` is the model: how many bytes of each upload, from its beginning, have been taken."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="myeye-upload-"))
        self.blobs = open_blobs(f"file://{self.folder}/blobs")
        self.gateways = [Uploads(self.blobs, Limits()) for _ in range(2)]
        self.runner = asyncio.Runner()
        self.received: dict[str, int] = {}

    def teardown(self) -> None:
        for gateway in self.gateways:
            self.runner.run(gateway.settle())
        self.runner.close()
        shutil.rmtree(self.folder)

    def send(self, gateway: int, upload_id: str, offset: int, data: bytes, size: int = 100_000, *, total: int = len(BODY)) -> int:
        """Give what the gateway says to have received."""
        target = Target(upload_id, total, DIGEST, offset)
        return self.runner.run(self.gateways[gateway].receive("ann", target, pieces(data, size))).received

    @rule(gateway=GATEWAYS, upload_id=IDS, start=PLACES, end=PLACES, size=st.sampled_from([1000, 100_000, PART_BYTES]))
    def send_piece(self, gateway: int, upload_id: str, start: int, end: int, size: int) -> None:
        start, end = min(start, end), max(start, end)
        had = self.received.get(upload_id, 0)
        try:
            told = self.send(gateway, upload_id, start, BODY[start:end], size)
        except UploadOffsetOutOfRange as refused:
            assert start > had == refused.received  # noqa: PT017 - what is refused is known by the model
            return
        assert start <= had
        assert told == max(had, end)
        if told:
            self.received[upload_id] = told

    @rule(gateway=GATEWAYS, upload_id=IDS)
    def go_on(self, gateway: int, upload_id: str) -> None:
        had = self.received.get(upload_id, 0)
        assert self.send(gateway, upload_id, had, BODY[had:]) == len(BODY)
        self.received[upload_id] = len(BODY)

    @rule(gateway=GATEWAYS, upload_id=IDS)
    def send_too_much(self, gateway: int, upload_id: str) -> None:
        had = self.received.get(upload_id, 0)
        try:
            self.send(gateway, upload_id, had, BODY[had:] + b"!", len(BODY) + 1)
        except InvalidRequest:
            return
        raise AssertionError("bytes beyond the size were taken")

    @rule(gateway=GATEWAYS, upload_id=IDS)
    def mean_something_else(self, gateway: int, upload_id: str) -> None:
        if not self.received.get(upload_id):
            return
        try:
            self.send(gateway, upload_id, 0, b"other", total=5)
        except UploadIdReused:
            return
        raise AssertionError("one id was taken for two uploads")

    @invariant()
    def every_gateway_tells_what_the_model_says(self) -> None:
        for gateway in self.gateways:
            for upload_id in ("the-upload-number-one", "the-upload-number-two"):
                had = self.received.get(upload_id, 0)
                try:
                    state = self.runner.run(gateway.get("ann", upload_id))
                except UploadNotFound:
                    assert had == 0
                    continue
                assert (state.received, state.complete) == (had, had == len(BODY))
                if state.complete:
                    whole = self.runner.run(gateway.wholes("ann", [upload_id]))[upload_id]
                    assert self.runner.run(self.blobs.get(whole.blob)) == BODY


TestUploads = UploadMachine.TestCase
TestUploads.settings = settings(max_examples=settings.default.max_examples // 10, stateful_step_count=10)
