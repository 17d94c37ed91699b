"""Listening to signals: which workers are alive, what running items do, and what callers do on other gateways."""

from __future__ import annotations

import logging

from google.protobuf.message import DecodeError

from dispatch.ports import Signals
from dispatch.v1.signal_pb2 import Signal
from gateway.gossip import listen
from gateway.store import Store
from gateway.traffic import Traffic
from gateway.workers import Workers

log = logging.getLogger(__name__)


async def hear(signals: Signals, store: Store, workers: Workers, traffic: Traffic) -> None:
    """Take in signals for ever."""
    async for body in signals.subscribe():
        try:
            signal = Signal.FromString(body)
        except DecodeError:
            log.warning("a signal of %d bytes is not readable", len(body))
            continue
        match signal.WhichOneof("kind"):
            case "worker_alive":
                alive = signal.worker_alive
                workers.alive(alive.worker, list(alive.models), alive.detectors, fetches=alive.fetches)
            case "worker_gone":
                workers.gone(signal.worker_gone.worker)
            case "run_progress":
                store.tell_progress(signal.run_progress)
            case "gateway_use":
                listen(traffic, store.journal.writer, signal.gateway_use)
