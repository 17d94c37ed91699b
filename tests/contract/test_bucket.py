"""What a client names in a bucket is read from a real server that speaks S3, where the operator has said that it is."""

from __future__ import annotations

import uuid
from contextlib import aclosing
from typing import Any
from urllib.request import Request, urlopen

import pytest

from dispatch.uri import MalformedUri, S3Uri, read_uri
from egress.allowed import Allowed
from egress.errors import EgressError, Forbidden, NotThere, TooLarge, Unreachable
from egress.exchange import Exchange
from egress.fetch import Fetcher
from egress.networks import Networks
from egress.options import EgressOptions
from egress.resolver import SystemResolver
from harness.ports import free_port

LIMIT_S = 20
PICTURE = bytes(range(256)) * 4000


class Reading:
    """Fetches from what is allowed."""

    def __init__(self, *allowed: str) -> None:
        exchange = Exchange(
            allowed=Allowed.parse("--fetch-from", allowed),
            networks=Networks(),
            resolver=SystemResolver(),
            tls=EgressOptions().tls(),
        )
        self._fetcher = Fetcher(exchange)

    async def read(self, uri: str, *, max_bytes: int = 10_000_000) -> bytes:
        async with aclosing(self._fetcher.fetch(read_uri(uri), max_bytes=max_bytes)) as chunks:
            return b"".join([chunk async for chunk in chunks])


@pytest.fixture
def folder(s3_endpoint: str) -> str:
    """A folder of the bucket "pictures" with a picture that everybody may read, and one that only who signs may."""
    folder = uuid.uuid4().hex
    for name, access in (("public/a%20cat%2B.jpg", "public-read"), ("public/cat.jpg", "private"), ("private/cat.jpg", "private")):
        url, headers = f"{s3_endpoint}/pictures/{folder}/{name}", {"Content-Type": "image/jpeg", "x-amz-acl": access}
        urlopen(Request(url, data=PICTURE, headers=headers, method="PUT"), timeout=LIMIT_S).close()
    return folder


@pytest.fixture
def bucket(s3_endpoint: str, folder: str) -> str:
    """Its public part as the operator writes it."""
    return f"s3://pictures/{folder}/public?endpoint={s3_endpoint}&region=us-east-1"


@pytest.mark.parametrize("name", ["cat.jpg", "a%20cat%2B.jpg"])
async def test_an_object_is_read(bucket: str, folder: str, name: str) -> None:
    assert await Reading(bucket).read(f"s3://pictures/{folder}/public/{name}") == PICTURE


async def test_an_anonymous_bucket_is_read_without_credentials(bucket: str, folder: str) -> None:
    reading = Reading(f"{bucket}&anonymous=1")
    assert await reading.read(f"s3://pictures/{folder}/public/a%20cat%2B.jpg") == PICTURE
    with pytest.raises(Forbidden, match="does not let this service read it"):
        await reading.read(f"s3://pictures/{folder}/public/cat.jpg")


async def test_no_more_is_read_than_is_taken(bucket: str, folder: str) -> None:
    reading, uri = Reading(bucket), f"s3://pictures/{folder}/public/cat.jpg"
    assert await reading.read(uri, max_bytes=len(PICTURE)) == PICTURE
    with pytest.raises(TooLarge):
        await reading.read(uri, max_bytes=len(PICTURE) - 1)


@pytest.mark.parametrize(
    "uri", ["s3://pictures/{}/private/cat.jpg", "s3://pictures/{}/publicity/x", "s3://others/{}/public/cat.jpg"]
)
async def test_what_is_beside_the_prefix_is_not_read(bucket: str, folder: str, uri: str) -> None:
    with pytest.raises(Forbidden, match="not among the addresses"):
        await Reading(bucket).read(uri.format(folder))


@pytest.mark.parametrize(
    ("allowed", "uri", "kind"),
    [
        ("s3://pictures?endpoint={endpoint}&region=us-east-1", "s3://pictures/no/such", NotThere),
        ("s3://no-such-bucket?endpoint={endpoint}&region=us-east-1", "s3://no-such-bucket/x", NotThere),
        ("s3://pictures?endpoint=http://127.0.0.1:{closed}&region=us-east-1", "s3://pictures/secret", Unreachable),
    ],
    ids=["no object", "no bucket", "nobody there"],
)
async def test_why_nothing_was_read(s3_endpoint: str, allowed: str, uri: str, kind: type[EgressError]) -> None:
    listed = allowed.format(endpoint=s3_endpoint, closed=free_port())
    with pytest.raises(kind) as failure:
        await Reading(listed).read(uri)
    assert "secret" not in str(failure.value)
    assert "127.0.0.1" not in str(failure.value)


def test_where_a_bucket_is_no_client_can_say() -> None:
    uri: Any = read_uri("s3://pictures/public/cat.jpg")
    assert uri == S3Uri("pictures", "public/cat.jpg")
    with pytest.raises(MalformedUri, match="query"):
        read_uri("s3://pictures/public/cat.jpg?endpoint=http://169.254.169.254")
