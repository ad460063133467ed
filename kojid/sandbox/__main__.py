"""`python -m kojid.sandbox COMMAND`: the same as `kojid sandbox COMMAND`."""

from __future__ import annotations

import sys

from kojid.sandbox.cli import main

if __name__ == "__main__":
    sys.exit(main())
