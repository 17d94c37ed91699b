"""TLS to RabbitMQ, as the query of its address says: RabbitMQ's own names, https://www.rabbitmq.com/docs/uri-query-parameters."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pika

from dispatch.errors import ConfigurationError

OURS = ("cacertfile", "certfile", "keyfile", "server_name_indication", "verify")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files, and the name that the broker's certificate must have. Without a CA the system's are trusted."""

    host: str
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    name: str | None = None

    def options(self) -> pika.SSLOptions:
        """Read the files as they are now: each connection is made with what is there when it begins.

        Raises:
            ConfigurationError: they cannot be used.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key, password="")
        except (OSError, ValueError) as error:  # ssl's own errors are OSErrors
            raise ConfigurationError(f"the files of TLS to RabbitMQ cannot be used: {error}") from error
        return pika.SSLOptions(context, self.name or self.host)


def split_tls(url: str) -> tuple[str, Tls | None]:
    """Take what is about TLS out of an address; None: it is not encrypted.

    Raises:
        ValueError: what it says of TLS does not go together, or would have anybody be taken for the broker.
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    told = {name: value for name, value in query if name in OURS}
    rest = urlunsplit(parts._replace(query=urlencode([pair for pair in query if pair[0] not in OURS])))
    if parts.scheme != "amqps":
        if told:
            raise ValueError(f"{', '.join(told)} need amqps")
        return rest, None
    if told.get("verify", "verify_peer") != "verify_peer":
        raise ValueError("the broker's certificate is always verified; name its authority as cacertfile")
    if ("certfile" in told) is not ("keyfile" in told):
        raise ValueError("certfile and keyfile go together")
    return rest, Tls(
        host=parts.hostname or "localhost",
        ca=told.get("cacertfile"),
        certificate=told.get("certfile"),
        key=told.get("keyfile"),
        name=told.get("server_name_indication"),
    )
