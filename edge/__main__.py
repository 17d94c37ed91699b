"""python -m edge"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edge import envoy, logs
from edge.admin import Admin
from edge.config import Config, read_order
from edge.errors import ConfigurationError
from edge.health_events import HealthEvents
from edge.port import check_free
from edge.supervisor import EnvoyEnded, supervise
from edge.template import fill
from edge.tls import Secrets

log = logging.getLogger("edge")

PRINTED_ADMIN = "/tmp/myeye-edge-admin"  # noqa: S108 - read by people and by Envoys elsewhere; nothing is opened here


def carry_out(task: str, config: Config) -> None:
    """Print, validate, or serve.

    Raises:
        ConfigurationError: Envoy is not installed or refuses its configuration, or the address is taken.
        EnvoyEnded: it ended before it was told to.
    """
    if task == "print":
        sys.stdout.write(fill(config, admin=PRINTED_ADMIN))
        return
    program = envoy.find()
    with tempfile.TemporaryDirectory(prefix="myeye-edge-") as folder:
        admin, configuration = Path(folder, "admin"), Path(folder, "envoy.yaml")
        secrets = Secrets(Path(folder), {"callers": config.callers, "gateways": config.behind}, {"gateways": config.gateways})
        if task == "validate":
            configuration.write_text(fill(config, admin=str(admin), secrets=Path(folder)), encoding="utf-8")
            envoy.validate(program, configuration)
            sys.stdout.write("edge: the configuration is sound\n")
        else:
            check_free(config.listen, "--listen or MYEYE_EDGE_LISTEN")
            if config.metrics:
                check_free(config.metrics, "--metrics or MYEYE_EDGE_METRICS")
            events = HealthEvents(Path(folder))
            filled = fill(config, admin=str(admin), secrets=Path(folder), events=str(events.path))
            configuration.write_text(filled, encoding="utf-8")
            asyncio.run(serve(config, envoy.serving(program, configuration, config.log_format), Admin(admin), secrets, events))


async def serve(config: Config, command: Sequence[str], admin: Admin, secrets: Secrets, events: HealthEvents) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    behind = ", ".join(map(str, config.gateways))
    scheme = "https" if config.callers.certificate else "http"
    ready = f"the page is at {scheme}://{config.listen}/ (edge listens on {config.listen}, gateways {behind})"
    beside = [asyncio.ensure_future(secrets.follow()), asyncio.ensure_future(events.tell())]
    try:
        await supervise(command, admin, stop, drain_s=config.drain_s, ready=ready)
    finally:
        for task in beside:
            task.cancel()
    log.info("edge stopped")


def main(arguments: Sequence[str]) -> int:
    """Serve until a signal. Give 0 after a drain, 1 when Envoy ends by itself, 2 when the settings are wrong."""
    try:
        order = read_order(arguments, os.environ)
        logs.configure(order.config.log_format, sys.stderr)
        carry_out(order.task, order.config)
    except ConfigurationError as error:
        sys.stderr.write(f"edge: {error}\n")
        return 2
    except EnvoyEnded as error:
        log.critical("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
