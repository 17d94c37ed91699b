"""The connection to a gateway."""

from __future__ import annotations

from typing import cast

import grpc

from myeye.access import Access, TokenChannel, is_loopback

MAX_MESSAGE_BYTES = 64 * 1024 * 1024

OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 30_000),
    # Both bound the wait for a ping's answer; without the second a black hole is noticed after 70 s.
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    # Retries are ours: they know the request_id and RetryInfo.
    ("grpc.enable_retries", 0),
    # The default grows to 120 s, long after a restarted gateway is back.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 3_000),
)


def open_channel(target: str, access: Access) -> grpc.aio.Channel:
    """Make a channel that connects by itself when it is first used.

    Raises:
        OSError: a file cannot be read.
        ValueError: a token would leave this machine unencrypted.
    """
    credentials, token = access.channel_credentials(), access.bearer()
    if token is not None and credentials is None and not is_loopback(target):
        raise ValueError(f"a token is not sent to {target} unencrypted: use TLS")
    if credentials is None:
        channel = grpc.aio.insecure_channel(target, options=OPTIONS)
    else:
        channel = grpc.aio.secure_channel(target, credentials, options=OPTIONS)
    return channel if token is None else cast("grpc.aio.Channel", TokenChannel(channel, token))
