"""The file of tokens, and the command that adds to it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from dispatch.errors import ConfigurationError
from gateway import tokens
from gateway.errors import Unauthenticated
from gateway.identity.principal import Principal
from gateway.identity.token_file import TokenFile, hash_of, new_token, read_tokens

HASH = hash_of("myeye_x")


@pytest.mark.parametrize(
    "line",
    [
        "ann",
        f"ann:{HASH}",
        f":user:{HASH}",
        f"ann:root:{HASH}",
        f"ann:user:{HASH[:-1]}",
        f"ann:user:{HASH.upper()}",
        f"ann bob:user:{HASH}",
        f"ann:user:{HASH}:tomorrow",
        f"ann:user:{HASH}:2030-01-01:x",
        f"../ann:user:{HASH}",
    ],
)
def test_a_line_that_is_none_is_named_by_its_number_and_not_told(tmp_path: Path, line: str):
    path = tmp_path / "tokens"
    path.write_text(f"# tokens\n\n{line}\n")
    with pytest.raises(ConfigurationError, match="line 3") as caught:
        read_tokens(path)
    assert HASH[:-1] not in str(caught.value)


def test_a_token_has_one_line(tmp_path: Path):
    path = tmp_path / "tokens"
    path.write_text(f"ann:user:{HASH}\nbob:admin:{HASH}\n")
    with pytest.raises(ConfigurationError, match="line 2"):
        read_tokens(path)


def test_no_two_tokens_are_alike_and_none_can_be_guessed():
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert {len(token) for token in made} == {len("myeye_") + 43}, "256 bits in base64"


def test_the_command_prints_a_token_once_and_keeps_its_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "tokens"
    made = {}
    for name, *flags in (["ann"], ["root", "--admin"], ["bob", "--days", "1"], ["ann"]):
        assert tokens.main([name, "--file", str(path), *flags]) == 0
        made[capsys.readouterr().out.strip()] = name
    file = TokenFile(path)
    assert {token: file.grant(token).principal.name for token in made} == made, "ann has two"
    assert [file.grant(token).principal for token, name in made.items() if name == "root"] == [Principal("root", admin=True)]
    assert path.stat().st_mode & 0o777 == 0o600
    assert not any(token in path.read_text() for token in made)
    assert {entry.expires for entry in read_tokens(path).values()} == {None, (datetime.now(UTC) + timedelta(days=2)).date()}


def test_the_command_gives_the_line_to_who_keeps_the_file_elsewhere(capsys: pytest.CaptureFixture[str]):
    assert tokens.main(["ann", "--expires", "2030-01-31"]) == 0
    told = capsys.readouterr()
    assert f"ann:user:{hash_of(told.out.strip())}:2030-01-31\n" in told.err


def test_the_command_adds_to_a_file_whose_last_line_has_no_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "tokens"
    path.write_text(f"ann:user:{HASH}")
    assert tokens.main(["bob", "--file", str(path)]) == 0
    assert len(read_tokens(path)) == 2


@pytest.mark.parametrize("arguments", [[], ["an n"], ["ann", "--days", "0"], ["ann", "--expires", "soon"]])
def test_the_command_says_what_is_wrong(arguments: list[str]):
    with pytest.raises(SystemExit) as caught:
        tokens.main(arguments)
    assert caught.value.code == 2


def test_a_token_is_good_until_its_day_begins(tmp_path: Path):
    today = datetime.now(UTC).date()
    days: dict[str, date] = {"today": today, "tomorrow": today + timedelta(days=1)}
    path = tmp_path / "tokens"
    path.write_text("".join(f"{name}:user:{hash_of(name)}:{day}\n" for name, day in days.items()))
    file = TokenFile(path)
    assert file.grant("tomorrow").principal == Principal("tomorrow")
    with pytest.raises(Unauthenticated) as caught:
        file.grant("today")
    assert caught.value.reason == "TOKEN_EXPIRED"
