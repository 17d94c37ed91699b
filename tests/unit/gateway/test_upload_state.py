"""How far an upload is, from the names of its blobs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.ports import Blob
from gateway.upload_state import UploadState, read_states

FOLDER = "uploads/who.0123456789abcdef/"
WHAT = f"{FOLDER}100-unchecked/"


def blob(name: str, modified_ns: int = 1) -> Blob:
    return Blob(name, 0, modified_ns)


def state_of(*parts: tuple[int, int]) -> UploadState:
    (state,) = read_states(FOLDER, [blob(f"{WHAT}parts/{start}-{end}") for start, end in parts])
    return state


def test_nothing_there_is_no_upload():
    assert read_states(FOLDER, []) == []


@pytest.mark.parametrize(
    ("parts", "received"),
    [
        ([(0, 10)], 10),
        ([(10, 20)], 0),
        ([(0, 10), (10, 20)], 20),
        ([(10, 20), (0, 10)], 20),
        ([(0, 10), (11, 20)], 10),
        ([(0, 10), (5, 30), (20, 100)], 100),
        ([(0, 10), (0, 30), (0, 20)], 30),
        ([(0, 50), (10, 20), (50, 60)], 60),
    ],
)
def test_what_is_received_ends_at_the_first_gap(parts, received):
    assert state_of(*parts).received == received


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 25)).map(lambda part: (part[0], sum(part))), min_size=1, max_size=20)
)
def test_the_chain_covers_all_of_the_beginning_that_any_parts_cover(parts):
    there = {byte for start, end in parts for byte in range(start, end)}
    gap = next(byte for byte in range(200) if byte not in there)
    state = state_of(*dict.fromkeys(parts))
    assert state.received == gap
    position = 0
    for part in state.chain:
        assert part.start <= position < part.end, "each part adds something, and leaves no gap"
        position = part.end


def test_it_is_complete_when_it_says_so_and_not_before():
    blobs = [blob(f"{WHAT}parts/0-100"), blob(f"{WHAT}whole.ab12")]
    assert not read_states(FOLDER, blobs)[0].complete
    (state,) = read_states(FOLDER, [blob(f"{WHAT}whole.ab12"), blob(f"{WHAT}done")])
    assert (state.complete, state.received, state.size) == (True, 100, 100)


def test_its_times_are_those_of_its_first_and_last_blob():
    (state,) = read_states(FOLDER, [blob(f"{WHAT}parts/0-1", 5), blob(f"{WHAT}parts/1-2", 9), blob(f"{WHAT}parts/2-3", 7)])
    assert (state.begun_ns, state.modified_ns) == (5, 9)


def test_of_two_under_one_id_the_older_counts():
    other = f"{FOLDER}7-{'ab' * 32}/"
    states = read_states(FOLDER, [blob(f"{WHAT}parts/0-1", 5), blob(f"{other}parts/0-1", 4), blob(f"{WHAT}parts/1-2", 3)])
    assert [(state.size, state.sha256) for state in states] == [(100, ""), (7, "ab" * 32)]


def test_what_is_not_ours_is_left_out():
    assert read_states(FOLDER, [blob(f"{FOLDER}note"), blob(f"{FOLDER}x-y/parts/0-1")]) == []
    (state,) = read_states(FOLDER, [blob(f"{WHAT}parts/0-5"), blob(f"{WHAT}parts/x"), blob(f"{WHAT}parts/5-9/z")])
    assert state.received == 5
