"""The entry point: `kojid …` is the daemon, `kojid sandbox …` and its like are sub-commands."""

from __future__ import annotations

import importlib
import sys
from typing import Dict, List, Optional

from kojid import postponed

# Sub-command to the module whose main(argv) runs it; imported only when called.
SUBCOMMANDS: Dict[str, str] = {
    "check": "kojid.cli.check",
    "clean": "kojid.cli.clean",
    "drain": "kojid.cli.drain",
    "logs": "kojid.cli.logs",
    "sandbox": "kojid.cli.sandbox",
    "status": "kojid.cli.status",
    "top": "kojid.cli.top",
    "undrain": "kojid.cli.undrain",
}


def main(argv: Optional[List[str]] = None) -> int:
    """Run kojid with these arguments (default: the process's own); returns the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    name = SUBCOMMANDS.get(arguments[0], "kojid.cli.start") if arguments else "kojid.cli.start"
    if name == "kojid.cli.start":
        postponed.postpone()
    module = importlib.import_module(name)
    if name == "kojid.cli.start":
        return int(module.start(arguments))
    return int(module.main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main())
