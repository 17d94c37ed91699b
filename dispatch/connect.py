"""Addresses to brokers."""

from __future__ import annotations

from urllib.parse import urlsplit

from dispatch.amqp.broker import AmqpBroker
from dispatch.embedded.broker import EmbeddedBroker
from dispatch.errors import ConfigurationError
from dispatch.options import BrokerOptions
from dispatch.ports import Broker


async def connect(url: str, options: BrokerOptions) -> Broker:
    """Give the broker at `url`: "amqp://user:password@host/vhost", "amqps://…" or "embedded:///folder".

    Returns at once even when a RabbitMQ is away: it is connected to as soon as it can be.

    Raises:
        ConfigurationError: the address is not understood, or the folder cannot be used.
    """
    parts = urlsplit(url)
    if parts.scheme in ("amqp", "amqps"):
        return await AmqpBroker.open(url, options)
    if parts.scheme == "embedded":
        if parts.netloc or not parts.path:
            raise ConfigurationError(f"an embedded broker is addressed by an absolute folder, embedded:///folder, not {url!r}")
        return await EmbeddedBroker.open(parts.path, options)
    raise ConfigurationError(f"no broker for {url!r}: it must begin with amqp://, amqps:// or embedded:///")
