"""The operator's list of hosts and buckets."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatch.errors import ConfigurationError
from dispatch.uri import S3Uri, read_uri
from egress.allowed import Allowed
from egress.errors import Forbidden
from egress.options import EgressOptions

LIST = Allowed.parse(
    "--fetch-from",
    ["https://images.example.com", "https://*.cdn.example.com:8443", "https://93.184.216.34", "s3://photos/public", "s3://all"],
)


@pytest.mark.parametrize(
    "text",
    [
        "https://images.example.com/any?thing",
        "https://IMAGES.example.com:443/",
        "https://a.cdn.example.com:8443/",
        "https://a.b.cdn.example.com:8443/",
        "https://93.184.216.34/",
        "s3://photos/public/cat.jpg",
        "s3://all/cat.jpg",
    ],
)
def test_what_is_on_the_list_passes(text: str) -> None:
    LIST.check(read_uri(text))


@pytest.mark.parametrize(
    "text",
    [
        "https://example.com/",
        "https://evil.images.example.com/",
        "https://images.example.com.evil.test/",
        "https://images.example.com:8443/",
        "https://cdn.example.com:8443/",
        "https://evilcdn.example.com:8443/",
        "https://a.cdn.example.com/",
        "https://93.184.216.35/",
        "s3://photos/private/cat.jpg",
        "s3://photos/publicity",
        "s3://other/cat.jpg",
    ],
)
def test_what_is_not_on_the_list_is_forbidden(text: str) -> None:
    with pytest.raises(Forbidden, match="not among the addresses"):
        LIST.check(read_uri(text))


def test_without_a_list_nothing_is_allowed() -> None:
    assert not Allowed()
    with pytest.raises(Forbidden):
        Allowed().check(read_uri("https://example.com/"))


@pytest.mark.parametrize(
    "text",
    [
        "images.example.com",
        "http://images.example.com",
        "https://*",
        "https://*.*.example.com",
        "https://images.*.com",
        "https://images.example.com/path",
        "https://user@images.example.com",
        "https://images.example.com:99999",
        "s3://",
        "s3://photos?key=1",
    ],
)
def test_what_is_no_entry_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--fetch-from: "):
        Allowed.parse("--fetch-from", [text])


def test_clients_are_told_the_list_and_not_where_a_bucket_is() -> None:
    listed = Allowed.parse(
        "--fetch-from", ["https://a.test", "https://*.b.test:8443", "s3://photos/public?endpoint=http://inside:9000"]
    )
    assert listed.told == ["https://a.test", "https://*.b.test:8443", "s3://photos/public/"]
    assert listed.bucket_of(S3Uri("photos", "public/x")).endpoint == "http://inside:9000"


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(ConfigurationError, match="--egress-ca"):
            EgressOptions(ca=tmp_path / name).tls()


def test_a_webhook_goes_to_no_bucket() -> None:
    with pytest.raises(ConfigurationError, match="--webhooks-to"):
        EgressOptions.parse(fetch_from="", webhooks_to="s3://photos", internal_networks="", ca="")
