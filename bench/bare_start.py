"""The shortest way from nothing to a first detection, and how large the process is then: the limit.

`python -m bench.bare_start MODEL PICTURE`
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from threading import Barrier

from bench.bare_loop import Detector, detect

if __name__ == "__main__":
    Detector.load(Path(sys.argv[1]), Barrier(1))
    print("found", detect(Path(sys.argv[2]).read_bytes()), flush=True)
    signal.pause()
