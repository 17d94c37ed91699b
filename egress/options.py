"""What an operator can set about reaching out."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path

from dispatch.errors import ConfigurationError
from egress.allowed import Allowed
from egress.networks import Networks


@dataclass(frozen=True, slots=True)
class EgressOptions:
    """Nothing is reached unless it is set. `ca` is a file of certificates that are trusted beside the system's."""

    fetch_from: Allowed = field(default_factory=Allowed)
    webhooks_to: Allowed = field(default_factory=Allowed)
    networks: Networks = field(default_factory=Networks)
    ca: Path | None = None

    @classmethod
    def parse(cls, *, fetch_from: str, webhooks_to: str = "", internal_networks: str, ca: str) -> EgressOptions:
        """Read what flags say; lists are with commas.

        Raises:
            ConfigurationError: something is not understood.
        """
        webhooks = Allowed.parse("--webhooks-to", _listed(webhooks_to))
        if webhooks.buckets:
            raise ConfigurationError(f"--webhooks-to: {webhooks.buckets[0]} is a bucket, to which no webhook can be sent")
        return cls(
            fetch_from=Allowed.parse("--fetch-from", _listed(fetch_from)),
            webhooks_to=webhooks,
            networks=Networks.parse(_listed(internal_networks)),
            ca=Path(ca).expanduser() if ca else None,
        )

    def tls(self) -> ssl.SSLContext:
        """Make what certificates are checked with: the chain, the name, and their time.

        Raises:
            ConfigurationError: the file of certificates cannot be used.
        """
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ca is not None:
            try:
                context.load_verify_locations(self.ca)
            except (OSError, ssl.SSLError) as error:
                raise ConfigurationError(f"--egress-ca: {self.ca} is not a file of certificates in PEM: {error}") from error
        return context


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
