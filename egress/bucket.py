"""Reading an object of a bucket that the operator has allowed: where the bucket is, no client can say."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import TYPE_CHECKING

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from dispatch.uri import S3Uri
from egress.allowed import AllowedBucket
from egress.errors import Forbidden, NotThere, Unreachable

if TYPE_CHECKING:  # obstore has these for type checkers only
    from obstore.store import ClientConfig, RetryConfig, S3Config

CONNECT_S = 10.0
TRANSFER_S = 900.0
"""Of one object; the attempt that fetches it has its own limit, which is shorter."""
NO_RETRIES: RetryConfig = {"max_retries": 0}
"""The attempt as a whole is tried again."""
CHUNK_BYTES = 256 * 1024


async def read_object(bucket: AllowedBucket, uri: S3Uri) -> AsyncGenerator[bytes, None]:
    """Yield an object from the beginning to the end. Credentials come from the AWS_* environment, unless the bucket is anonymous.

    Raises:
        Forbidden: the store does not let us.
        NotThere: there is no such object, or bucket.
        Unreachable: the store did not answer.
    """
    try:
        result = await _store(bucket).get_async(uri.key)
        async for chunk in result.stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)
    except FileNotFoundError as error:
        raise NotThere(f"{uri.origin} has no such object") from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise Forbidden(f"{uri.origin} does not let this service read it") from error
    except (BaseError, OSError) as error:
        raise Unreachable(f"{uri.origin} cannot be read now") from error


def _store(bucket: AllowedBucket) -> S3Store:
    client: ClientConfig = {"connect_timeout": timedelta(seconds=CONNECT_S), "timeout": timedelta(seconds=TRANSFER_S)}
    config: S3Config = {}
    if bucket.endpoint:
        config["endpoint"] = bucket.endpoint
        client["allow_http"] = bucket.endpoint.startswith("http://")
    if bucket.region:
        config["region"] = bucket.region
    if bucket.anonymous:
        config["skip_signature"] = True
    return S3Store(bucket.bucket, config=config, client_options=client, retry_config=NO_RETRIES)
