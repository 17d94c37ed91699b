"""python -m gateway.probe: ask the gateway of this container whether it serves, as a health check of containers does."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from dispatch.errors import ConfigurationError
from gateway.config import read_config

LIMIT_S = 3.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - where such a gateway is asked, not where it listens


def main(arguments: Sequence[str]) -> int:
    """Give 0 when it serves, 1 when it does not, 2 when its settings are wrong, which are read as the gateway reads them."""
    try:
        config = read_config(arguments, os.environ, Path.cwd())
    except ConfigurationError as error:
        sys.stderr.write(f"probe: {error}\n")
        return 2
    host, _, port = config.listen.rpartition(":")
    try:
        with grpc.insecure_channel(f"{EVERYWHERE.get(host, host)}:{port}") as channel:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=LIMIT_S)
    except grpc.RpcError as error:
        sys.stderr.write(f"probe: {error.details()}\n")
        return 1
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    sys.stdout.write(f"{status}\n")
    return int(answer.status != health_pb2.HealthCheckResponse.SERVING)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
