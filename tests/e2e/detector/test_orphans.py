"""A process that works for a worker has no life after it, whatever state it is in."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

LIMIT_S = 30.0
PARENT = """
import asyncio, sys
from pathlib import Path
from worker.detection import Model
from worker.orders import Orders
from worker.process import Launch, Process
from worker.wire import DETECTOR

orders = Orders(socket_fd=-1, memory_bytes=1 << 30, max_pixels=1, path=Path("none"), model=Model("model", "00", 0.5, ()))
asyncio.run(Process.start(Launch(orders, (sys.executable, "-S", "-c", sys.argv[1]), DETECTOR, "detector")))
"""
STATES = {
    "stopped": ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", psutil.STATUS_STOPPED),
    "asleep": ("import time; time.sleep(1000)", psutil.STATUS_SLEEPING),
}
"""What the process does as it starts, and its state then."""


def until(look):
    end_s = time.monotonic() + LIMIT_S
    while not (found := look()):
        assert time.monotonic() < end_s
        time.sleep(0.02)
    return found


def gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE  # nobody may reap it where there is no init
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("state", STATES)
def test_a_process_whose_worker_is_killed_while_it_starts_is_killed_too(state: str):
    program, status = STATES[state]
    parent = subprocess.Popen([sys.executable, "-c", PARENT, program])
    try:
        (child,) = until(lambda: psutil.Process(parent.pid).children())
        until(lambda: child.status() == status)
    finally:
        parent.kill()
        parent.wait()
    until(lambda: gone(child))
