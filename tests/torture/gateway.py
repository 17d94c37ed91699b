"""The real gateway, by a clock that can be set: `python -m tests.torture.gateway FLAG…`"""

from __future__ import annotations

import sys

from gateway.__main__ import main
from tests.torture.clock import bend_clock

if __name__ == "__main__":
    bend_clock()
    sys.exit(main(sys.argv[1:]))
