"""Whatever is given as a page token: a place of one's own question, or a refusal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.ids import is_job_id
from gateway.ids import job_id as make_job_id
from gateway.page_token import read_token, write_token
from gateway.store import Key
from tests.fuzz.mutations import mutated

DIGEST = bytes(range(8))
JOB = make_job_id("ann", "Submit", "r")
TOKEN = write_token(DIGEST, (1_700_000_000_000_000_000, JOB))


def read(token: str, digest: bytes = DIGEST) -> Key | None:
    """Read a token; None also if it is refused, as it must be."""
    try:
        return read_token(token, digest)
    except InvalidRequest as refused:
        violations = refused.violations
    assert [violation.field for violation in violations] == ["page_token"]
    return None


@given(st.integers(0, 2**64 - 1), st.text(max_size=40), st.binary(min_size=8, max_size=8))
def test_a_token_is_read_as_it_was_written_by_the_question_that_it_belongs_to_only(
    accepted_ns: int, request_id: str, digest: bytes
) -> None:
    key = accepted_ns, make_job_id("ann", "Submit", request_id)
    token = write_token(digest, key)
    assert read(token, digest) == key
    assert digest == DIGEST or read(token) is None


@given(mutated([TOKEN.encode()]).map(lambda token: token.decode("latin-1")) | st.text(max_size=80))
def test_a_damaged_token_is_a_place_or_refused(token: str) -> None:
    if key := read(token):
        accepted_ns, job_id = key
        assert 0 <= accepted_ns < 2**64
        assert is_job_id(job_id)
