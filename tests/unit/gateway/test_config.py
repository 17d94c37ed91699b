"""The gateway's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatch.errors import ConfigurationError
from gateway.config import read_config

FOLDER = Path("/data")


def test_a_flag_beats_the_environment_and_the_environment_the_default():
    assert read_config([], {}, FOLDER).listen == "127.0.0.1:50051"
    assert read_config([], {"MYEYE_LISTEN": "127.0.0.1:1"}, FOLDER).listen == "127.0.0.1:1"
    assert read_config(["--listen", "127.0.0.1:2"], {"MYEYE_LISTEN": "127.0.0.1:1"}, FOLDER).listen == "127.0.0.1:2"


def test_by_default_everything_is_below_one_folder():
    config = read_config([], {}, FOLDER)
    assert config.broker == "embedded:///data/broker"
    assert config.blobs == "file:///data/blobs"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "[::1]:1", "localhost:1", "127.9.9.9:1"])
def test_loopback_needs_no_permission(address: str):
    assert read_config(["--listen", address], {}, FOLDER).listen == address


@pytest.mark.parametrize("address", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "gateway.example:1"])
def test_beyond_loopback_it_refuses_to_listen_unless_told_so(address: str):
    with pytest.raises(ConfigurationError, match="no authentication"):
        read_config(["--listen", address], {}, FOLDER)
    assert read_config(["--listen", address, "--insecure"], {}, FOLDER).listen == address


@pytest.mark.parametrize("address", ["127.0.0.1", ":1", "127.0.0.1:http", ""])
def test_a_malformed_address_is_named(address: str):
    with pytest.raises(ConfigurationError, match="HOST:PORT"):
        read_config(["--listen", address], {}, FOLDER)


@pytest.mark.parametrize("flags", [["--max-upload", "0"], ["--max-upload", str(5 * 1024**3 + 1)], ["--upload-ttl", "0"]])
def test_limits_of_uploads_that_cannot_be_kept_are_refused(flags: list[str]):
    with pytest.raises(ConfigurationError, match="--max-upload"):
        read_config(flags, {}, FOLDER)


def test_a_number_that_is_none_is_a_usage_error(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        read_config([], {"MYEYE_HEARTBEAT": "soon"}, FOLDER)
    assert caught.value.code == 2
    assert "--heartbeat" in capsys.readouterr().err


TLS = ["--tls-certificate", "c", "--tls-key", "k"]
JWT = ["--jwks", "j", "--jwt-issuer", "i", "--jwt-audience", "a"]


@pytest.mark.parametrize("shown", [["--tokens", "t"], JWT, ["--client-ca", "ca"]])
def test_beyond_loopback_it_listens_with_tls_and_some_authentication(shown: list[str]):
    assert read_config(["--listen", "0.0.0.0:1", *TLS, *shown], {}, FOLDER).identity.authenticates


def test_beyond_loopback_neither_tls_alone_nor_tokens_alone_are_enough():
    with pytest.raises(ConfigurationError, match="no authentication"):
        read_config(["--listen", "0.0.0.0:1", *TLS], {}, FOLDER)
    with pytest.raises(ConfigurationError, match="no TLS"):
        read_config(["--listen", "0.0.0.0:1", "--tokens", "t"], {}, FOLDER)
    assert read_config(["--listen", "0.0.0.0:1", "--tokens", "t", "--insecure"], {}, FOLDER).insecure


@pytest.mark.parametrize("flags", [TLS[:2], TLS[2:], ["--client-ca", "ca"]])
def test_half_of_tls_is_none(flags: list[str]):
    with pytest.raises(ConfigurationError, match="--tls-certificate and --tls-key"):
        read_config(flags, {}, FOLDER)


def test_a_certificate_names_its_caller_only_where_no_token_does():
    both = [*TLS, "--client-ca", "ca"]
    assert read_config(both, {}, FOLDER).identity.certificates
    assert not read_config([*both, "--tokens", "t"], {}, FOLDER).identity.certificates
    assert not read_config([*both, *JWT], {}, FOLDER).identity.certificates


def test_identity_can_be_told_by_the_environment():
    environment = {
        "MYEYE_TOKENS": "/t",
        "MYEYE_JWKS": "https://issuer.test/jwks",
        "MYEYE_JWT_ISSUER": "i",
        "MYEYE_JWT_AUDIENCE": "a",
        "MYEYE_JWT_ADMIN": "groups=eyes=open",
        "MYEYE_PROXIES": "edge-1, edge-2",
        "MYEYE_REFLECTION": "0",
    }
    config = read_config([], environment, FOLDER)
    assert config.identity.tokens == Path("/t")
    assert config.identity.web_tokens is not None
    assert config.identity.web_tokens.admin == ("groups", "eyes=open")
    assert config.identity.proxies == ("edge-1", "edge-2")
    assert not config.reflection
