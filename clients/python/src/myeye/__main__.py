"""The command `myeye`, and `python -m myeye`."""

from __future__ import annotations

import sys


def main() -> int:
    """Do what the command line says, if what it needs beyond the library was installed."""
    try:
        from myeye import cli
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("rich"):
            raise
        print("myeye: the command needs rich: pip install 'myeye[cli]'", file=sys.stderr)
        return 2
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
