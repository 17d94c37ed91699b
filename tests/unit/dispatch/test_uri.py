"""Addresses that clients name."""

from __future__ import annotations

import pytest

from dispatch.uri import MAX_URI_LENGTH, HttpsUri, MalformedUri, S3Uri, read_https_uri, read_uri


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("https://example.com", HttpsUri("example.com", 443, "/")),
        ("HTTPS://Example.COM/Cat.jpg?a=1&b=%20", HttpsUri("example.com", 443, "/Cat.jpg?a=1&b=%20")),
        ("https://example.com:8443/a//b/../c", HttpsUri("example.com", 8443, "/a//b/../c")),
        ("https://93.184.216.34/", HttpsUri("93.184.216.34", 443, "/")),
        ("https://[2001:0DB8::1]/", HttpsUri("2001:db8::1", 443, "/")),
        ("https://xn--bcher-kva.example/", HttpsUri("xn--bcher-kva.example", 443, "/")),
        ("s3://pictures/2026/a%20cat.jpg", S3Uri("pictures", "2026/a cat.jpg")),
    ],
)
def test_an_address_is_read(text: str, uri: HttpsUri | S3Uri) -> None:
    assert read_uri(text) == uri


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cat.jpg",
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https:///path",
        "https://",
        "https://user@example.com/",
        "https://user:password@example.com/",
        "https://example.com@evil.test/",
        "https://example.com\\@evil.test/",
        "https://example.com/#fragment",
        "https://example.com/a b",
        "https://exa\tmple.com/",
        " https://example.com/",
        "https://example.com/\r\nHost: evil.test",
        "https://bücher.example/",
        "https://ex_ample..com/",
        "https://example.com./",
        "https://-example.com/",
        "https://example.com:0/",
        "https://example.com:/",
        "https://example.com:65536/",
        "https://example.com:http/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://127.1/",
        "https://0177.0.0.1/",
        "https://127.0.0.1.0/",
        "https://[::1%25eth0]/",
        "https://[::1/",
        "https://[example.com]/",
        "https://ex%61mple.com/",
        f"https://example.com/{'x' * MAX_URI_LENGTH}",
        "s3://",
        "s3://pictures",
        "s3://pictures/",
        "s3://pictures//cat.jpg",
        "s3://pictures/a/../secret",
        "s3://pictures/a/%2e%2e/secret",
        "s3://pictures/a%00b",
        "s3://pictures/cat.jpg?endpoint=http://evil.test",
        "s3://Pictures/cat.jpg",
        "s3://user@pictures/cat.jpg",
    ],
)
def test_what_could_be_read_in_two_ways_or_is_none_is_refused(text: str) -> None:
    with pytest.raises(MalformedUri, match=r"^must "):
        read_uri(text)


def test_only_https_is_read_where_only_that_will_do() -> None:
    with pytest.raises(MalformedUri, match="https://"):
        read_https_uri("s3://pictures/cat.jpg")


def test_secrets_are_in_no_text_that_is_made_of_an_address() -> None:
    signed, key = read_uri("https://example.com:8443/path?signature=s3cr3t"), read_uri("s3://pictures/s3cr3t")
    for text in (signed.origin, repr(signed), str(signed), key.origin, repr(key), str(key)):
        assert "s3cr3t" not in text
        assert "path" not in text
