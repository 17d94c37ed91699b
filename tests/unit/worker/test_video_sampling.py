"""Which frames are looked at: so many of each second, from start to end."""

from __future__ import annotations

import math

import pytest

from worker.video.sampling import Sampling

WHOLE = Sampling(0.0, math.inf, 5.0)


def taken(sampling: Sampling, times: list[float]) -> list[float]:
    chosen: list[float] = []
    last = -1
    for time_s in times:
        if sampling.over(time_s):
            break
        step = sampling.step(time_s)
        if step is not None and step > last:
            last = step
            chosen.append(time_s)
    return chosen


@pytest.mark.parametrize(
    ("fps", "max_fps", "a_second"), [(25, 5, 5), (25, 10, 10), (30, 30, 30), (24, 60, 24), (29.97, 29.97, 29.97), (60, 1, 1)]
)
def test_so_many_frames_of_each_second_and_no_more(fps: float, max_fps: float, a_second: float) -> None:
    times = [number / fps for number in range(round(20 * fps))]
    assert len(taken(Sampling(0.0, math.inf, max_fps), times)) == pytest.approx(20 * a_second, abs=1)


def test_frames_are_as_far_apart_as_they_can_be() -> None:
    assert taken(WHOLE, [number / 25 for number in range(25)]) == [0.0, 0.2, 0.4, 0.6, 0.8]


def test_times_rounded_to_milliseconds_lose_no_frame() -> None:
    times = [round(number / 30, 3) for number in range(300)]
    assert len(taken(Sampling(0.0, math.inf, 30.0), times)) == 300


def test_from_the_start_up_to_the_end_which_is_left_out() -> None:
    times = [number / 10 for number in range(100)]
    chosen = taken(Sampling(2.0, 3.0, 10.0), times)
    assert (chosen[0], chosen[-1], len(chosen)) == (2.0, 2.9, 10)


def test_a_gap_is_not_made_up_for() -> None:
    times = [0.0, 5.0, 5.01, 5.02, 5.03]
    assert taken(WHOLE, times) == [0.0, 5.0]


@pytest.mark.parametrize(
    ("sampling", "duration_s", "fps", "frames"),
    [
        (WHOLE, 10.0, 25.0, 50),
        (WHOLE, 10.0, 2.0, 20),
        (Sampling(2.0, 4.0, 5.0), 10.0, 25.0, 10),
        (Sampling(2.0, 40.0, 5.0), 10.0, 25.0, 40),
        (Sampling(20.0, math.inf, 5.0), 10.0, 25.0, 0),
        (WHOLE, None, 25.0, 0),
        (Sampling(0.0, 2.0, 5.0), None, 0.0, 10),
        (WHOLE, 0.04, 25.0, 1),
    ],
)
def test_how_many_frames_it_will_be(sampling: Sampling, duration_s: float | None, fps: float, frames: int) -> None:
    assert sampling.estimate(duration_s, fps) == frames
