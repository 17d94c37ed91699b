from __future__ import annotations

from pathlib import Path

import pytest

from dispatch.errors import ConfigurationError
from dispatch.secrets import read_secrets


@pytest.mark.parametrize("name", ["MYEYE_BROKER", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
def test_a_secret_comes_from_its_file_without_the_line_end(tmp_path: Path, name: str):
    (tmp_path / "secret").write_text("s3cret=\n")
    environment = {f"{name}_FILE": str(tmp_path / "secret"), "HOME": "/"}
    read_secrets(environment)
    assert environment[name] == "s3cret="


def test_what_is_given_directly_stays_as_it_is():
    environment = {"MYEYE_BROKER": "amqp://localhost/", "MYEYE_BROKER_FILE": ""}
    read_secrets(environment)
    assert environment["MYEYE_BROKER"] == "amqp://localhost/"


def test_files_of_other_names_are_left_alone():
    environment = {"AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}
    read_secrets(environment)
    assert environment == {"AWS_SHARED_CREDENTIALS_FILE": "/nowhere"}


def test_a_secret_given_twice_is_refused_without_telling_it(tmp_path: Path):
    (tmp_path / "secret").write_text("one")
    with pytest.raises(ConfigurationError, match="MYEYE_BROKER and MYEYE_BROKER_FILE are both set") as refused:
        read_secrets({"MYEYE_BROKER": "another", "MYEYE_BROKER_FILE": str(tmp_path / "secret")})
    assert "another" not in str(refused.value)


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff"])
def test_a_file_that_gives_no_secret_is_refused_by_name(tmp_path: Path, content: bytes | None):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=f"MYEYE_BROKER_FILE: {path}"):
        read_secrets({"MYEYE_BROKER_FILE": str(path)})
