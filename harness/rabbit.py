"""A private RabbitMQ node on this machine, with its data, its ports and its port mapper to itself."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.ports import free_port
from harness.process import Process

INSTALLED = Path("/usr/lib/rabbitmq/lib")
DEPLOYED = Path(__file__).parent.parent / "deploy" / "rabbitmq"
"""A deployment's settings. What its advanced.config says, every node here has; the rest only a node with definitions."""
START_LIMIT_S = 90.0
STOP_LIMIT_S = 60.0
CTL_LIMIT_S = 60.0


class RabbitNode:
    """A node that runs from entry to exit, and can be stopped, killed and started again on the same data and port meanwhile.

    `server` is the unpacked RabbitMQ to run; without it, the newest one that Debian's package installed. A node `beside` another
    uses its port mapper and cookie, and can join it. One with `definitions` is as deployed: with the users in that file.
    `settings` are added to its configuration.
    """

    def __init__(
        self,
        folder: Path,
        *,
        server: Path | None = None,
        beside: RabbitNode | None = None,
        definitions: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._sbin = (server or max(INSTALLED.glob("rabbitmq_server-*"))) / "sbin"
        self.folder = folder
        self._port = free_port()
        self._beside = beside
        self._definitions = definitions
        self.metrics_port = free_port()
        self._settings = settings or {}
        self._environment = self._configure()
        mapper = ("epmd", "-d", "-d", "-address", "127.0.0.1", "-port", self._environment["ERL_EPMD_PORT"])
        self._epmd = Process("epmd", mapper, log=folder / "epmd.log")
        command = (str(self._sbin / "rabbitmq-server"),)
        self._server = Process("rabbitmq", command, log=folder / "console.log", environment=self._environment)

    def _configure(self) -> dict[str, str]:
        """Write the node's files and give its environment."""
        cookie, plugins = self.folder / ".erlang.cookie", self.folder / "plugins"
        config, advanced = self.folder / "rabbitmq.conf", self.folder / "advanced.config"
        if not cookie.exists():
            cookie.write_text(self._beside.cookie if self._beside else os.urandom(16).hex())
            cookie.chmod(0o400)
        settings = {
            "listeners.tcp.1": f"127.0.0.1:{self._port}",
            "log.console": "false",
            "log.file.level": "info",
            "net_ticktime": "10",
            "cluster_partition_handling": "autoheal",
        }
        if self._definitions:
            settings = {**_read_settings(DEPLOYED / "rabbitmq.conf"), **settings, "load_definitions": str(self._definitions)}
            settings |= {"prometheus.tcp.ip": "127.0.0.1", "prometheus.tcp.port": str(self.metrics_port)}
        settings |= self._settings
        config.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
        plugins.write_text((DEPLOYED / "enabled_plugins").read_text() if self._definitions else "[].\n")
        advanced.write_text((DEPLOYED / "advanced.config").read_text())
        return {
            "HOME": str(self.folder),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": self._beside.epmd_port if self._beside else str(free_port()),
            "RABBITMQ_NODENAME": f"rabbit-{self._port}@localhost",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(advanced),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RUNNING_UNDER_SYSTEMD": "true",  # makes the script become the server, so that signals reach it
        }

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._port}/%2F"

    @property
    def port(self) -> int:
        return self._port

    @property
    def cookie(self) -> str:
        return (self.folder / ".erlang.cookie").read_text()

    @property
    def epmd_port(self) -> str:
        return self._environment["ERL_EPMD_PORT"]

    @property
    def running(self) -> bool:
        return self._server.running

    def send(self, number: signal.Signals) -> None:
        """Send the server a signal."""
        self._server.send(number)

    def join(self, other: RabbitNode) -> None:
        """Become a node of another's cluster, with nothing of one's own."""
        self.ctl("stop_app")
        self.ctl("reset")
        self.ctl("join_cluster", other._environment["RABBITMQ_NODENAME"])
        self.ctl("start_app")

    def start(self) -> None:
        """Return when it listens."""
        if self._beside is None and not self._epmd.running:
            self._epmd.start()
            self._epmd.wait_for("entering the main select", START_LIMIT_S)
        self._server.start()
        self._server.wait_for(r"completed with \d+ plugins", START_LIMIT_S)

    def stop(self) -> None:
        """Shut it down in order."""
        self._server.stop(STOP_LIMIT_S)

    def kill(self) -> None:
        """End it with no chance to clean up.

        A queue that was declared in the second before may come back empty and without a leader: see `noted`.
        """
        self._server.kill()

    def noted(self, name: str) -> bool:
        """Say whether a quorum queue's name is in the node's directory on disk, or, for streams, that of their coordinator."""
        return any(name.encode() in path.read_bytes() for path in self.folder.glob("data/*/*/*/names.dets"))

    def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl on the node and give what it printed.

        Raises:
            CalledProcessError: it failed.
        """
        return self._run("rabbitmqctl", *arguments)

    def await_spare(self) -> None:
        """Return when every queue and stream can do without this node. Raises as `ctl`."""
        self._run("rabbitmq-upgrade", "await_online_quorum_plus_one", "--timeout", f"{CTL_LIMIT_S:g}")

    def _run(self, program: str, *arguments: str) -> str:
        command = (str(self._sbin / program), "--quiet", *arguments)
        environment = {**os.environ, **self._environment}
        run = subprocess.run(command, env=environment, check=True, timeout=CTL_LIMIT_S, capture_output=True, text=True)
        return run.stdout

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()

    def _end(self) -> None:
        for process in (self._server, self._epmd):
            if process.running:
                process.kill()


def _read_settings(path: Path) -> dict[str, str]:
    lines = [line.strip() for line in path.read_text().splitlines()]
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {key.strip(): value.strip() for key, _, value in pairs}
