"""The peers as processes, around the same RabbitMQ as ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pika

from bench.peers.dramatiq_client import Dramatiq
from bench.peers.polled import Polled
from bench.peers.redis_server import Redis, running_redis
from bench.services import Shape
from bench.stacks import START_LIMIT_S, Broker, Stack
from bench.usage import BROKER, GATEWAY, WORKERS
from harness.ports import free_port
from harness.process import Process


@contextmanager
def running_peers(folder: Path, broker: Broker, *, workers: int, slots: int) -> Iterator[list[Stack]]:
    """Run all of them. Each of their workers holds `slots` tasks."""
    assert broker.url is not None
    folder.mkdir()
    with ExitStack() as running:
        redis = running.enter_context(running_redis(folder))
        site = _Site(running, folder, broker, broker.url, redis, workers, slots)
        yield [site.celery(), site.dramatiq(), site.essay()]


@dataclass(frozen=True, slots=True)
class _Site:
    running: ExitStack
    folder: Path
    broker: Broker
    amqp: str
    redis: Redis
    workers: int
    slots: int

    def celery(self) -> Stack:
        queue, port = f"{self.folder.name}.celery", free_port()
        own = {"BENCH_QUEUE": queue, "C_FORCE_ROOT": "1"}
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        program = ("celery", "--app", "bench.peers.celery_app", "worker", "--concurrency", str(self.workers), *quiet)
        worker = self._start("celery", "ready", (*program, "--loglevel", "INFO"), own, queue)
        api = self._start("celery-api", "Uvicorn running", _uvicorn("bench.peers.celery_api:api", port), own)
        roles = {GATEWAY: [api.pid], BROKER: (*self.broker.pids, self.redis.pid), WORKERS: [worker.pid]}
        return Stack("FastAPI + Celery + Redis", {Shape.UNARY: Polled(f"http://127.0.0.1:{port}")}, roles)

    def dramatiq(self) -> Stack:
        queue = f"{self.folder.name}.dramatiq"
        own = {"BENCH_QUEUE": queue, "dramatiq_queue_prefetch": str(self.slots)}
        program = ("dramatiq", "bench.peers.dramatiq_worker:broker", "--processes", str(self.workers), "--threads", "1")
        worker = self._start("dramatiq", "Worker process is ready for action", program, own, queue, f"{queue}.DQ", f"{queue}.XQ")
        roles = {BROKER: (*self.broker.pids, self.redis.pid), WORKERS: [worker.pid]}
        return Stack("Dramatiq, no gateway", {Shape.UNARY: Dramatiq(self.amqp, self.redis.url, queue)}, roles)

    def essay(self) -> Stack:
        queue, port = f"{self.folder.name}.essay", free_port()
        pictures = self.folder / "pictures"
        pictures.mkdir()
        own = {"BENCH_QUEUE": queue, "BENCH_FOLDER": str(pictures)}
        api = self._start("essay", "Uvicorn running", _uvicorn("bench.peers.essay_gateway:api", port), own, queue)
        program = ("bench.peers.essay_worker", self.amqp, queue, str(self.slots))
        workers = [self._start(f"essay-{i}", "ready", program, own) for i in range(self.workers)]
        roles = {GATEWAY: [api.pid], BROKER: self.broker.pids, WORKERS: [worker.pid for worker in workers]}
        return Stack("the essay's design", {Shape.UNARY: Polled(f"http://127.0.0.1:{port}")}, roles)

    def _start(self, name: str, said: str, program: tuple[str, ...], own: Mapping[str, str], *queues: str) -> Process:
        """Start a module as a process. Its queues are deleted when it was ended."""
        for queue in queues:
            self.running.callback(_delete, self.amqp, queue)
        environment = {"BENCH_AMQP": self.amqp, "BENCH_REDIS": self.redis.url, "BENCH_SLOTS": str(self.slots), **own}
        process = Process(name, (sys.executable, "-m", *program), log=self.folder / f"{name}.log", environment=environment)
        process.start()
        self.running.callback(process.stop)
        process.wait_for(said, START_LIMIT_S)
        return process


def _uvicorn(api: str, port: int) -> tuple[str, ...]:
    return ("uvicorn", api, "--host", "127.0.0.1", "--port", str(port), "--no-access-log")


def _delete(amqp: str, queue: str) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(amqp))
    connection.channel().queue_delete(queue)
    connection.close()
