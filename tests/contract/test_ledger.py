"""On every broker: of the jobs that gateways accept at once the log decides which are too much, and everywhere alike."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from dispatch.blobs import open_blobs
from dispatch.codec import spec_of
from dispatch.events import Accepted
from dispatch.journal import new_event_id
from dispatch.ports import Broker
from dispatch.v1.event_pb2 import JobSpec, StoredInput
from gateway.errors import Exhausted
from gateway.holdings import Held
from gateway.ids import job_id
from gateway.ledger import Claim, Ledger
from gateway.quota import Quota
from gateway.quotas import Quotas
from gateway.store import Store
from gateway.upload_tally import UploadTally

QUOTA = Quota(jobs=2, items=50, bytes=1000)


class Gateway:
    """What a gateway knows of the log, and its ledger."""

    def __init__(self, broker: Broker, blobs: str) -> None:
        self.store = Store(broker.log)
        self.ledger = Ledger(self.store, Quotas(QUOTA), UploadTally(open_blobs(f"file://{blobs}")))

    async def accept(self, stack: AsyncExitStack, *, items: int = 1, size: int = 10) -> tuple[str, Claim]:
        """Claim room for a job of ann's, to be accepted later."""
        job = job_id("ann", "", "")
        return job, await stack.enter_async_context(self.ledger.claim("ann", job, items=items, size=size))

    async def commit(self, job: str, *, items: int = 1, size: int = 10) -> None:
        inputs = [StoredInput(size_bytes=size // items)] * items
        spec = JobSpec(principal="ann", inputs=inputs, model="m", max_attempts=1).SerializeToString()
        event = Accepted(id=new_event_id(), job_id=job, time_ns=time.time_ns(), spec=spec_of(spec), digest=b"")
        assert (await self.store.journal.commit(event)).applied


@pytest.fixture
async def gateways(broker: Broker, another_broker: Broker, tmp_path: Path) -> AsyncIterator[tuple[Gateway, Gateway]]:
    both = Gateway(broker, f"{tmp_path}/blobs"), Gateway(another_broker, f"{tmp_path}/blobs")
    following = [asyncio.ensure_future(gateway.store.journal.follow()) for gateway in both]
    for gateway in both:
        await gateway.store.journal.barrier()
    yield both
    for task in following:
        task.cancel()
    await asyncio.wait(following)


async def test_what_two_gateways_let_in_at_once_is_cut_to_the_quota_by_the_order_of_the_log(
    gateways: tuple[Gateway, Gateway],
) -> None:
    one, other = gateways
    async with AsyncExitStack() as stack:
        claims = [(gateway, *await gateway.accept(stack)) for gateway in (one, other, one, other)]
        for gateway in gateways:
            with pytest.raises(Exhausted, match="at most 2 jobs"):
                await gateway.accept(stack)
        for gateway, job, _ in claims:
            await gateway.commit(job)
        assert [claim.excess and claim.excess.reason for _, _, claim in claims] == [None, None, "QUOTA_JOBS", "QUOTA_JOBS"]
    for gateway in gateways:
        await gateway.store.journal.barrier()
        assert gateway.store.holdings.of("ann") == Held(4, 4, 40), "until the last two are taken back"


async def test_what_is_claimed_on_a_gateway_counts_there_until_the_log_tells_of_it(gateways: tuple[Gateway, Gateway]) -> None:
    one, _ = gateways
    async with AsyncExitStack() as stack:
        job, claim = await one.accept(stack, items=30, size=600)
        with pytest.raises(Exhausted) as refused:
            await one.accept(stack, items=21)
        assert refused.value.reason == "QUOTA_ITEMS"
        with pytest.raises(Exhausted) as refused:
            await one.accept(stack, size=401)
        assert refused.value.reason == "QUOTA_BYTES"
        again = await stack.enter_async_context(one.ledger.claim("ann", job, items=30, size=600))
        assert again is claim, "a call that is repeated meanwhile takes no more room"
        await one.commit(job, items=30, size=600)
        await one.accept(stack, items=20, size=400)
    assert one.store.holdings.of("ann") == Held(1, 30, 600)
    async with AsyncExitStack() as stack:
        await one.accept(stack, items=20, size=400)
