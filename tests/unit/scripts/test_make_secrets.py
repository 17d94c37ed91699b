from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509

from gateway.identity.principal import Principal
from gateway.identity.token_file import PREFIX, TokenFile
from scripts.make_secrets import FILES, FIRST, MAKERS, PRIVATE, make, tell_compose


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
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()}
    assert {name for name, mode in modes.items() if mode == 0o600} == set(PRIVATE), "no container needs it"
    assert set(modes.values()) == {0o600, 0o644}
    assert set(modes) == {file for files in FILES.values() for file in files}


def test_the_gateways_know_the_first_token_and_not_what_it_is(tmp_path: Path):
    make(tmp_path)
    token = (tmp_path / "token").read_text().strip()
    grant = TokenFile(tmp_path / "tokens").grant(token)
    assert grant.principal == Principal(FIRST, admin=True)
    assert token not in (tmp_path / "tokens").read_text()
    assert token.startswith(PREFIX)


def test_the_certificate_is_of_all_the_names_and_good_for_one_server_alone(tmp_path: Path):
    make(tmp_path, ["eyes.example.org", "192.0.2.1", "localhost"])
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "edge-certificate.pem", tmp_path / "edge-key.pem")
    certificate = x509.load_pem_x509_certificate((tmp_path / "edge-certificate.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "eyes.example.org"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1", "192.0.2.1"]
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_a_certificate_of_ones_own_stays(tmp_path: Path):
    for name in ("edge-certificate.pem", "edge-key.pem"):
        (tmp_path / name).write_text("given")
    assert "edge-key.pem" not in make(tmp_path)
    assert (tmp_path / "edge-key.pem").read_text() == "given"


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
