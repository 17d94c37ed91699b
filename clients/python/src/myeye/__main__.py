import sys

from myeye.cli import main

sys.exit(main())
