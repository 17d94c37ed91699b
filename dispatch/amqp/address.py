"""Addresses of RabbitMQ to pika's parameters."""

from __future__ import annotations

import pika

from dispatch.errors import ConfigurationError
from dispatch.options import BrokerOptions

SOCKET_TIMEOUT_S = 5.0
STACK_TIMEOUT_S = 5.0
BLOCKED_TIMEOUT_S = 10.0


def parameters_of(url: str, options: BrokerOptions) -> pika.ConnectionParameters:
    """Read an address, "amqp://user:password@host:port/vhost" or "amqps://…".

    Raises:
        ConfigurationError: it cannot be read; the address is not repeated, for it may hold a password.
    """
    try:
        parameters = pika.URLParameters(url)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"the address of RabbitMQ cannot be read: {type(error).__name__}") from error
    parameters.heartbeat = options.heartbeat_s
    parameters.connection_attempts = 1
    parameters.socket_timeout = SOCKET_TIMEOUT_S
    parameters.stack_timeout = STACK_TIMEOUT_S
    parameters.blocked_connection_timeout = BLOCKED_TIMEOUT_S
    parameters.client_properties = {"connection_name": options.name}
    return parameters


def shown(parameters: pika.ConnectionParameters) -> str:
    """Name the broker for people: all but the user and the password."""
    return f"{parameters.host}:{parameters.port} vhost {parameters.virtual_host}"
