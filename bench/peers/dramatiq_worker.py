"""What the workers import: `dramatiq bench.peers.dramatiq_worker:broker`"""

from __future__ import annotations

import os

from bench.peers.dramatiq_actor import declare

detect = declare(os.environ["BENCH_AMQP"], os.environ["BENCH_REDIS"], os.environ["BENCH_QUEUE"])
broker = detect.broker
