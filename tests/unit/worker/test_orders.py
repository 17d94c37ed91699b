"""A detector process is told as arguments what it needs."""

from __future__ import annotations

from pathlib import Path

from worker.detection import Engine, Model
from worker.orders import Orders


def test_orders_survive_the_command_line() -> None:
    model = Model("own", "ab" * 32, 0.1 + 0.2, ("traffic light", "--help", "Öl"), Engine.LITERT)
    orders = Orders(7, 3 * 1024**3, 64_000_000, Path("/models/own model.tflite"), model)
    assert Orders.parse(orders.arguments()) == orders
