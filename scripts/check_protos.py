"""Check the contracts: buf's lint and format, and nothing broken against the last released version.

python scripts/check_protos.py             check
python scripts/check_protos.py --release   keep today's contracts as the released ones, if they break nothing
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
RELEASED = PROTOS / "released.binpb"


def buf(*arguments: str) -> None:
    subprocess.run(["buf", *arguments], cwd=PROTOS, check=True)


def main() -> None:
    subprocess.run([sys.executable, ROOT / "scripts/generate_protos.py", "--imports"], check=True)
    buf("lint")
    buf("format", "--diff", "--exit-code", "--path", "myeye", "--path", "dispatch")
    with tempfile.TemporaryDirectory() as temporary:
        image = Path(temporary) / "today.binpb"
        buf("build", "--exclude-source-info", "--output", str(image))
        if RELEASED.exists():
            buf("breaking", str(image), "--against", str(RELEASED), "--config", "buf.yaml")
        if "--release" in sys.argv[1:]:
            RELEASED.write_bytes(image.read_bytes())


if __name__ == "__main__":
    main()
