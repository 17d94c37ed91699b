"""What the pool makes of processes that die, hang, break or never start, shown with ones that do so when told."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from dispatch.errors import ConfigurationError
from worker.detection import DetectorFailed, PictureRejected, Stage
from worker.pool import Pool

Ask = Callable[..., Any]
FaultyPool = Callable[..., AbstractAsyncContextManager[Pool]]


async def open_gate(gate: Path) -> None:
    await asyncio.to_thread(gate.write_bytes, b"go")


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


async def fails(asked: Any) -> DetectorFailed:
    with pytest.raises(DetectorFailed) as caught:
        await asked.outcome()
    return caught.value


async def test_pictures_are_shared_out_among_the_detectors(ask: Ask, faulty_pool: FaultyPool, gate: Path) -> None:
    async with faulty_pool(detectors=2) as pool:
        held = ask(pool, f"gate:{gate}".encode())
        await held.came_to(Stage.DETECTING)
        other = await ask(pool, b"fine").outcome()
        await open_gate(gate)
        assert {(await held.outcome()).boxes[0].category, other.boxes[0].category} == {str(pid) for pid in pool.pids}


async def test_more_requests_than_there_is_room_for_wait_their_turn(ask: Ask, faulty_pool: FaultyPool) -> None:
    async with faulty_pool() as pool:
        outcomes = await asyncio.gather(*(ask(pool, b"fine").outcome() for _ in range(20)))
    assert len(outcomes) == 20


async def test_stages_are_told_as_they_are_entered(ask: Ask, faulty_pool: FaultyPool) -> None:
    async with faulty_pool() as pool:
        asked = ask(pool, b"fine")
        await asked.outcome()
        assert [asked.stages.get_nowait(), asked.stages.get_nowait()] == [Stage.DECODING, Stage.DETECTING]


async def test_a_rejection_keeps_its_reason_and_the_process(ask: Ask, faulty_pool: FaultyPool) -> None:
    async with faulty_pool() as pool:
        before = pool.pids
        with pytest.raises(PictureRejected, match="not a picture") as caught:
            await ask(pool, b"reject").outcome()
        assert caught.value.reason == "IMAGE_INVALID"
        assert pool.pids == before


async def test_a_crash_over_a_single_picture_is_that_pictures_doing(ask: Ask, faulty_pool: FaultyPool) -> None:
    async with faulty_pool() as pool:
        error = await fails(ask(pool, b"crash"))
        assert error.reason == "DETECTOR_CRASHED"
        assert "SIGSEGV" in error.message
        assert await ask(pool, b"fine").outcome()


async def test_a_crash_over_two_pictures_costs_only_the_guilty_one(ask: Ask, faulty_pool: FaultyPool) -> None:
    async with faulty_pool() as pool:
        guilty, innocent = ask(pool, b"crash"), ask(pool, b"fine")
        assert (await fails(guilty)).reason == "DETECTOR_CRASHED"
        assert await innocent.outcome()


async def test_a_suspect_is_tried_alone_so_its_next_death_settles_it(
    ask: Ask, faulty_pool: FaultyPool, gate: Path, tmp_path: Path
) -> None:
    async with faulty_pool() as pool:
        innocent = ask(pool, f"gate:{gate}".encode())
        await innocent.came_to(Stage.DETECTING)
        guilty = ask(pool, f"crash-and-count:{tmp_path / 'deaths'}".encode())
        later = [ask(pool, b"fine") for _ in range(3)]
        os.kill(pool.pids[0], signal.SIGKILL)
        await innocent.came_to(Stage.DETECTING)
        await open_gate(gate)
        await asyncio.gather(innocent.outcome(), *(each.outcome() for each in later))
        await fails(guilty)
    assert (tmp_path / "deaths").read_text() == "x"


async def test_two_pictures_whose_process_was_killed_from_outside_are_both_done_again(
    ask: Ask, faulty_pool: FaultyPool, tmp_path: Path
) -> None:
    async with faulty_pool() as pool:
        first, second = ask(pool, f"crash-once:{tmp_path / 'was-here'}".encode()), ask(pool, b"fine")
        assert await first.outcome()
        assert await second.outcome()


async def test_a_picture_that_breaks_the_detector_is_known_at_once_even_beside_another(ask: Ask, faulty_pool: FaultyPool) -> None:
    async with faulty_pool() as pool:
        guilty, innocent = ask(pool, b"broke"), ask(pool, b"fine")
        assert (await fails(guilty)).reason == "DETECTOR_CRASHED"
        assert await innocent.outcome()


async def test_a_hang_fails_by_time_and_the_picture_beside_it_is_done_again(ask: Ask, faulty_pool: FaultyPool) -> None:
    async with faulty_pool() as pool:
        hanging = ask(pool, b"hang", timeout_s=0.2)
        await hanging.came_to(Stage.DETECTING)
        innocent = ask(pool, b"fine")
        assert (await fails(hanging)).reason == "EXECUTION_TIMEOUT"
        assert await innocent.outcome()


async def test_a_picture_does_not_pay_for_the_time_that_it_waits_for_a_detector(ask: Ask, faulty_pool: FaultyPool) -> None:
    async with faulty_pool() as pool:
        hanging = [ask(pool, b"hang", timeout_s=1.0) for _ in range(2)]
        waiting = ask(pool, b"fine", timeout_s=0.5)
        assert {(await fails(each)).reason for each in hanging} == {"EXECUTION_TIMEOUT"}
        assert await waiting.outcome()


async def test_the_picture_beside_a_hang_gets_its_full_time_again(ask: Ask, faulty_pool: FaultyPool) -> None:
    async with faulty_pool() as pool:
        hanging, innocent = ask(pool, b"hang", timeout_s=1.0), ask(pool, b"fine", timeout_s=1.0)
        assert (await fails(hanging)).reason == "EXECUTION_TIMEOUT"
        assert await innocent.outcome()


async def test_a_short_time_limit_alone_does_not_cost_a_process(ask: Ask, faulty_pool: FaultyPool, gate: Path) -> None:
    async with faulty_pool(cancel_s=30.0) as pool:
        before = pool.pids
        hasty = ask(pool, f"gate:{gate}".encode(), timeout_s=0.01)
        assert (await fails(hasty)).reason == "EXECUTION_TIMEOUT"
        await open_gate(gate)
        assert await ask(pool, b"fine").outcome()
        assert pool.pids == before


async def test_a_cancelled_request_that_does_not_end_costs_its_process(ask: Ask, faulty_pool: FaultyPool) -> None:
    async with faulty_pool() as pool:
        (before,) = pool.pids
        cancelled = ask(pool, b"hang")
        await cancelled.came_to(Stage.DETECTING)
        innocent = ask(pool, b"fine")
        cancelled.task.cancel()
        assert (await innocent.outcome()).boxes[0].category != str(before)


async def test_a_process_that_still_works_at_what_is_not_wanted_gets_nothing_new(ask: Ask, faulty_pool: FaultyPool) -> None:
    async with faulty_pool(detectors=2, cancel_s=1000.0) as pool:
        cancelled = ask(pool, b"hang")
        await cancelled.came_to(Stage.DETECTING)
        cancelled.task.cancel()
        outcomes = await asyncio.gather(*(ask(pool, b"fine").outcome() for _ in range(6)))
    assert len({outcome.boxes[0].category for outcome in outcomes}) == 1


async def test_a_cancelled_request_that_ends_by_itself_leaves_its_process_alone(
    ask: Ask, faulty_pool: FaultyPool, gate: Path
) -> None:
    async with faulty_pool(cancel_s=30.0) as pool:
        (before,) = pool.pids
        cancelled = ask(pool, f"gate:{gate}".encode())
        await cancelled.came_to(Stage.DETECTING)
        innocent = ask(pool, b"fine")
        cancelled.task.cancel()
        await open_gate(gate)
        assert (await innocent.outcome()).boxes[0].category == str(before)


async def test_a_request_cancelled_while_it_waits_is_never_begun(
    ask: Ask, faulty_pool: FaultyPool, gate: Path, tmp_path: Path
) -> None:
    async with faulty_pool() as pool:
        held = [ask(pool, f"gate:{gate}".encode()), ask(pool, b"fine")]
        await held[0].came_to(Stage.DETECTING)
        waiting = ask(pool, f"crash-once:{tmp_path / 'begun'}".encode())
        last = ask(pool, b"fine")
        await asyncio.wait([waiting.task], timeout=0)
        waiting.task.cancel()
        await open_gate(gate)
        await last.outcome()
    assert not (tmp_path / "begun").exists()


async def test_a_process_that_breaks_the_protocol_is_replaced(ask: Ask, faulty_pool: FaultyPool) -> None:
    async with faulty_pool() as pool:
        assert (await fails(ask(pool, b"babble"))).reason == "DETECTOR_CRASHED"
        assert await ask(pool, b"fine").outcome()


async def test_an_idle_process_that_was_killed_is_replaced(ask: Ask, faulty_pool: FaultyPool) -> None:
    async with faulty_pool() as pool:
        (before,) = pool.pids
        os.kill(before, signal.SIGKILL)
        asked = ask(pool, b"fine")
        try:
            outcome = await asked.outcome()
        except DetectorFailed:  # it was sent before the death was known
            outcome = await ask(pool, b"fine").outcome()
        assert outcome.boxes[0].category != str(before)


@pytest.mark.parametrize(("mode", "words"), [("unusable", "libGL.so.1 is missing"), ("dies", "status 7.*\n.*cannot go on")])
async def test_a_detector_that_cannot_start_says_why(faulty_pool: FaultyPool, mode: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        async with faulty_pool(mode, detectors=2):
            pass


async def test_a_detector_that_never_becomes_ready_is_given_up(faulty_pool: FaultyPool) -> None:
    with pytest.raises(ConfigurationError, match="not ready within"):
        async with faulty_pool("silent", start_s=0.3):
            pass


async def test_a_command_that_is_not_there_is_a_fault_of_the_configuration(faulty_pool: FaultyPool) -> None:
    with pytest.raises(ConfigurationError, match="cannot be started"):
        async with faulty_pool("well", program="/nonexistent/python"):
            pass


async def test_when_no_process_comes_up_again_requests_fail_by_time_and_trying_goes_on(
    ask: Ask, faulty_pool: FaultyPool, tmp_path: Path
) -> None:
    mark = tmp_path / "started"
    async with faulty_pool(f"once:{mark}") as pool:
        await fails(ask(pool, b"crash"))
        assert "no detector can be started" in (await fails(ask(pool, b"fine", timeout_s=0.3))).message
        mark.unlink()
        assert await ask(pool, b"fine").outcome()


async def test_closing_fails_what_is_under_way_and_ends_every_process(ask: Ask, faulty_pool: FaultyPool) -> None:
    async with faulty_pool() as pool:
        pids = pool.pids
        asked = [ask(pool, b"hang"), ask(pool, b"fine"), ask(pool, b"fine")]
        await asked[0].came_to(Stage.DETECTING)
    for each in asked:
        assert "stopping" in (await fails(each)).message
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
