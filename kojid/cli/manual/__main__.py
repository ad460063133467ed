"""Prints one of the generated files."""

from __future__ import annotations

import sys
from typing import Callable, Dict

from kojid.cli.manual import completion, confpage, page

MAKERS: Dict[str, Callable[[], str]] = {
    "kojid.8": page.text,
    "kojid.conf.5": confpage.text,
    "kojid.bash": lambda: completion.text("bash"),
    "_kojid": lambda: completion.text("zsh"),
}

if __name__ == "__main__":
    sys.stdout.write(MAKERS[sys.argv[1]]())
