"""What a detector process may and may not: said by its environment before it starts, and by itself at once after."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Mapping

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
    """Limit this process: no core dumps and, on Linux, a limit to its memory and no life after its parent."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        _die_with_parent(os.getppid())


def _die_with_parent(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the kernel was told
        os._exit(1)
