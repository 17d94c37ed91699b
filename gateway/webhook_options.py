"""What an operator can set about webhooks, beside the hosts that may be called."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dispatch.backoff import Backoff
from dispatch.errors import ConfigurationError

PATIENT = Backoff(base_s=10.0, cap_s=3600.0)
"""Twelve calls are made within about three and a half hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOptions:
    """Checked on construction. `timeout_s` is for one call, `backoff` between calls.

    Raises:
        ConfigurationError: the values cannot be used.
    """

    secrets: Path | None = None
    timeout_s: float = 15.0
    backoff: Backoff = PATIENT

    def __post_init__(self) -> None:
        if not 0 < self.timeout_s <= 60:
            raise ConfigurationError(f"--webhook-timeout is more than 0 and at most 60 s, not {self.timeout_s:g}")


def add_webhook_flags(parser: argparse.ArgumentParser, fallback: Callable[[str, str], str]) -> None:
    """Declare the flags."""
    hosts, secrets = fallback("WEBHOOKS_TO", ""), fallback("WEBHOOK_SECRETS", "")
    parser.add_argument(
        "--webhooks-to", metavar="LIST", default=hosts, help="hosts that webhooks may be sent to: https://host[:port]"
    )
    parser.add_argument(
        "--webhook-secrets", metavar="FILE", default=secrets, help="what webhooks are signed with, by principal: docs/webhooks.md"
    )
    timeout = fallback("WEBHOOK_TIMEOUT", "15")
    parser.add_argument("--webhook-timeout", type=float, metavar="SECONDS", default=timeout, help="for one call of a webhook")


def read_webhooks(given: argparse.Namespace) -> WebhookOptions:
    """Read what `add_webhook_flags` declared.

    Raises:
        ConfigurationError: the values cannot be used.
    """
    secrets = Path(given.webhook_secrets).expanduser() if given.webhook_secrets else None
    return WebhookOptions(secrets=secrets, timeout_s=given.webhook_timeout)
