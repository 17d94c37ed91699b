"""The real gateway, by a clock that can be set and on a disk that can fail: `python -m tests.torture.gateway FLAG…`"""

from __future__ import annotations

import sys

from gateway.__main__ import main
from tests.torture.clock import bend_clock
from tests.torture.disk import bend_disk

if __name__ == "__main__":
    bend_clock()
    bend_disk()
    sys.exit(main(sys.argv[1:]))
