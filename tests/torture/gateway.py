"""The real gateway, by a clock that can be set and on a disk that can fail: `python -m tests.torture.gateway FLAG…`"""

from __future__ import annotations

import sys

from gateway import janitor
from gateway.__main__ import main
from tests.torture.clock import bend_clock
from tests.torture.disk import bend_disk

SOON_S = 2.0

if __name__ == "__main__":
    janitor.RETENTION_EVERY_S, janitor.LAST_LOOK_NS = SOON_S, round(SOON_S * 1e9)
    bend_clock()
    bend_disk()
    sys.exit(main(sys.argv[1:]))
