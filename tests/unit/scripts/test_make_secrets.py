from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scripts.make_secrets import MAKERS, make, tell_compose


def test_each_deployment_has_its_own_and_keeps_it(tmp_path: Path):
    one, other = tmp_path / "one", tmp_path / "other"
    assert make(one) == make(other)
    texts = {path.name: path.read_text() for path in one.iterdir()}
    assert all(texts[path.name] != path.read_text() for path in other.iterdir())
    assert make(one) == []
    assert {path.name: path.read_text() for path in one.iterdir()} == texts


def test_only_the_owner_reaches_them(tmp_path: Path):
    make(tmp_path / "secrets")
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()} == {0o644}


def test_half_of_a_pair_is_refused(tmp_path: Path):
    make(tmp_path)
    (tmp_path / "broker").unlink()
    with pytest.raises(SystemExit, match=r"broker-definitions\.json without broker"):
        make(tmp_path)


def test_a_new_secret_is_made_for_one_that_was_removed(tmp_path: Path):
    make(tmp_path)
    before = (tmp_path / "broker").read_text()
    for name in ("broker", "broker-definitions.json"):
        (tmp_path / name).unlink()
    assert make(tmp_path) == ["broker", "broker-definitions.json"]
    assert (tmp_path / "broker").read_text() != before


def test_the_broker_knows_the_password_of_the_address_and_not_the_password():
    files = MAKERS["broker"]("broker")
    password = urlsplit(files["broker"]).password
    assert password
    (user,) = json.loads(files["broker-definitions.json"])["users"]
    salted = base64.b64decode(user["password_hash"])
    assert salted[4:] == hashlib.sha256(salted[:4] + password.encode()).digest()
    assert password not in files["broker-definitions.json"]


@pytest.mark.parametrize(
    ("right", "name", "allowed"),
    [
        ("configure", "myeye.log", True),
        ("configure", "amq.gen-x", True),
        ("configure", "another", False),
        ("write", "amq.default", True),
        ("write", "amq.topic", False),
        ("read", "myeye.tasks.model.high", True),
        ("read", "amq.default", False),
        ("read", "notmyeye.log", False),
    ],
)
def test_the_broker_lets_its_user_do_no_more_than_myeye_does(right: str, name: str, allowed: bool):
    (permission,) = json.loads(MAKERS["broker"]("broker")["broker-definitions.json"])["permissions"]
    assert bool(re.search(permission[right], name)) is allowed


def test_compose_is_told_once_where_they_are(tmp_path: Path):
    settings = tmp_path / ".env"
    settings.write_text("COMPOSE_PROFILES=s3\n")
    tell_compose(Path(".secrets"), settings)
    tell_compose(Path("elsewhere"), settings)
    assert settings.read_text() == "COMPOSE_PROFILES=s3\nMYEYE_SECRETS=.secrets\n"
