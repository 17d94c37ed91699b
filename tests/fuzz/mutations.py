"""Bytes that were something once, and then met with a bad cable, or with somebody who knows how they are read."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

LENGTHS = (0, 1, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF)
"""What counters and lengths are overwritten with: where they wrap, turn negative, or promise what is not there."""
MAX_MUTATIONS = 6


@st.composite
def mutated(draw: st.DrawFn, originals: Sequence[bytes], *, near: int = 0) -> bytes:
    """Damage one of `originals` in a few places; with `near`, mostly among its first so many bytes."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(1, MAX_MUTATIONS))):
        within = min(near, len(data)) if near and draw(st.booleans()) else len(data)
        at = draw(st.integers(0, max(0, within - 1)))
        _mutate(draw, data, at, originals)
    return bytes(data)


def _mutate(draw: st.DrawFn, data: bytearray, at: int, originals: Sequence[bytes]) -> None:
    match draw(st.sampled_from(["flip", "set", "length", "cut", "remove", "repeat", "splice", "junk"])):
        case "flip" if data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        case "set" if data:
            data[at] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]))
        case "length":
            order = draw(st.sampled_from(["big", "little"]))
            width = draw(st.sampled_from([2, 4, 8]))
            data[at : at + width] = (draw(st.sampled_from(LENGTHS)) % (1 << 8 * width)).to_bytes(width, order)  # type: ignore[arg-type]
        case "cut":
            del data[at:]
        case "remove":
            del data[at : at + draw(st.integers(1, 64))]
        case "repeat":
            piece = bytes(data[at : at + draw(st.integers(1, 64))])
            data[at:at] = piece * draw(st.integers(1, 8))
        case "splice":
            other = draw(st.sampled_from(originals))
            data[at:] = other[draw(st.integers(0, len(other))) :]
        case "junk":
            data[at:at] = draw(st.binary(max_size=64))
