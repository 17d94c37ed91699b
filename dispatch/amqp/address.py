"""Addresses of RabbitMQ to pika's parameters."""

from __future__ import annotations

import pika

from dispatch.amqp.tls import Tls, split_tls
from dispatch.errors import ConfigurationError
from dispatch.options import BrokerOptions

SOCKET_TIMEOUT_S = 5.0
STACK_TIMEOUT_S = 5.0
BLOCKED_TIMEOUT_S = 10.0


def parameters_of(url: str, options: BrokerOptions) -> pika.ConnectionParameters:
    """Read an address, "amqp://user:password@host:port/vhost" or "amqps://…", with what `dispatch.amqp.tls` knows behind it.

    Raises:
        ConfigurationError: it cannot be read; the address is not repeated, for it may hold a password.
    """
    tls = tls_of(url)
    try:
        parameters = pika.URLParameters(split_tls(url)[0])
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"the address of RabbitMQ cannot be read: {type(error).__name__}") from error
    if tls is not None:
        parameters.ssl_options = tls.options()
    parameters.heartbeat = options.heartbeat_s
    parameters.connection_attempts = 1
    parameters.socket_timeout = SOCKET_TIMEOUT_S
    parameters.stack_timeout = STACK_TIMEOUT_S
    parameters.blocked_connection_timeout = BLOCKED_TIMEOUT_S
    parameters.client_properties = {"connection_name": options.name}
    return parameters


def tls_of(url: str) -> Tls | None:
    """Read what an address says of TLS; None: nothing is encrypted.

    Raises:
        ConfigurationError: it does not go together.
    """
    try:
        return split_tls(url)[1]
    except ValueError as error:
        raise ConfigurationError(f"the address of RabbitMQ: {error}") from error


def shown(parameters: pika.ConnectionParameters) -> str:
    """Name the broker for people: all but the user and the password."""
    return f"{parameters.host}:{parameters.port} vhost {parameters.virtual_host}"
