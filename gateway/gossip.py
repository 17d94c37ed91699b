"""What gateways tell one another of their principals: see `gateway.traffic`. Lost words make a limit laxer, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from dispatch.ports import Signals
from dispatch.v1.signal_pb2 import GatewayUse, Signal
from gateway.traffic import Traffic, Use

TELL_S = 1.0
USES_AT_ONCE = 100


async def gossip(signals: Signals, traffic: Traffic, gateway: str) -> None:
    """Tell for ever; `gateway` is this one's name."""
    while True:
        await asyncio.sleep(TELL_S)
        for body in _told(gateway, traffic.news()):
            await signals.publish(body)


def listen(traffic: Traffic, gateway: str, told: GatewayUse) -> None:
    """Take in what a gateway told, unless it was this one."""
    if told.gateway != gateway:
        traffic.hear(
            told.gateway, (Use(use.principal, max(0, use.watches), max(0, use.uploads), max(0, use.calls)) for use in told.uses)
        )


def _told(gateway: str, news: Sequence[Use]) -> Iterator[bytes]:
    for start in range(0, len(news), USES_AT_ONCE):
        uses = [
            GatewayUse.PrincipalUse(principal=use.principal, watches=use.watches, uploads=use.uploads, calls=use.calls)
            for use in news[start : start + USES_AT_ONCE]
        ]
        yield Signal(gateway_use=GatewayUse(gateway=gateway, uses=uses)).SerializeToString()
