"""What a detector process may and may not: said before it starts, and by itself at once after."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping

NOWHERE = "http://127.0.0.1:9"
"""The discard port, where nothing listens. MediaPipe reports its use to Google by HTTPS; through this proxy it cannot."""

MEMORY_BYTES = 3 * 1024**3
"""Address space of a detector process: enough for two pictures of the largest size, and a clean error beyond."""

_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_INHERITED = ("HOME", "LANG", "LD_LIBRARY_PATH", "MPLCONFIGDIR", "PATH", "PYTHONPATH", "TMPDIR", "TZ", "VIRTUAL_ENV")
_PR_SET_PDEATHSIG = 1


def environment(environ: Mapping[str, str], *, max_pixels: int) -> dict[str, str]:
    """Make the environment of a detector process: no way out, one thread, and none of the worker's secrets."""
    inherited = {name: environ[name] for name in _INHERITED if name in environ}
    proxies = {spelled: NOWHERE for name in _PROXIES for spelled in (name, name.upper())}
    return {
        **inherited,
        **proxies,
        "no_proxy": "",
        "NO_PROXY": "",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OPENCV_IO_MAX_IMAGE_PIXELS": str(max_pixels),  # the decoder's own guard; OpenCV reads it once, when it is loaded
        "PYTHONFAULTHANDLER": "1",
        "PYTHONUNBUFFERED": "1",
    }


def confine(memory_bytes: int) -> None:
    """Limit this process: no core dumps and, on Linux, a limit to its memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def tether() -> Callable[[], None] | None:
    """Give what a new process of this one calls before it becomes its command: from then on it has no life after its parent.

    It could say so itself, but not while it is stopped, or still being loaded. Only Linux can do this. What is called does as
    little as possible: other threads may have held locks when the process was forked, and are not there to release them.
    """
    if sys.platform != "linux":
        return None
    prctl, kill, parent = ctypes.CDLL(None).prctl, int(signal.SIGKILL), os.getpid()

    def die_with_parent() -> None:
        prctl(_PR_SET_PDEATHSIG, kill)
        if os.getppid() != parent:  # it died before the kernel was told
            os._exit(1)

    return die_with_parent
