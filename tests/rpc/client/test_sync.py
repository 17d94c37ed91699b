"""The client without asyncio, against a gateway on another thread's loop."""

import asyncio

import pytest

from myeye import Client, Job, NotFound, State, WatchManyResponse


async def test_it_detects_watches_and_lists(server, picture):
    def use():
        with Client(server.target) as client:
            job = client.detect(picture)
            kinds = [update.WhichOneof("message") for update in client.watch(job.id)]
            sequences = [update.event.sequence for update in client.watch(job.id, after_sequence=0)]
            return job.state, kinds, sequences, [listed.id for listed in client.list()], client.capabilities().version

    assert await asyncio.to_thread(use) == (State.STATE_SUCCEEDED, ["snapshot"], [1, 2, 3], ["job0"], "0.1.0")


async def test_it_watches_several_jobs_and_downloads(gateway, server):
    update = WatchManyResponse(job_id="job0", snapshot=Job(id="job0", state=State.STATE_SUCCEEDED))
    gateway.streams.append([update])

    def use():
        with Client(server.target) as client:
            return list(client.watch_many(["job0"])), client.download("job0", annotated=False)

    assert await asyncio.to_thread(use) == ([update], b"handed in")


async def test_it_raises_what_the_other_client_raises(server):
    def use():
        with Client(server.target) as client, pytest.raises(NotFound):
            client.get("nothing")

    await asyncio.to_thread(use)


async def test_a_closed_client_says_so_and_can_be_closed_again(server, picture):
    def use():
        with Client(server.target) as client:
            job = client.submit(picture)
            updates = client.watch(job.id, after_sequence=0)
            next(updates)
        client.close()
        with pytest.raises(RuntimeError, match="this client is closed"):
            next(updates)
        with pytest.raises(RuntimeError, match="this client is closed"):
            client.get(job.id)

    await asyncio.to_thread(use)
