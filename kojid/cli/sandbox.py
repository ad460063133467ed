"""`kojid sandbox`: a whole build system in one directory of this machine, to try kojid out."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from typing import Any, List

_PACKAGE = "kojid.sandbox"


def main(argv: List[str]) -> int:
    """Run a sandbox command; returns the exit status."""
    if importlib.util.find_spec(_PACKAGE) is None:
        print("kojid sandbox: it is not installed here", file=sys.stderr)
        print("  -> dnf install kojid-sandbox", file=sys.stderr)
        return 1
    return int(_cli().main(argv))


def parser() -> argparse.ArgumentParser:
    """The parser of the sandbox's command line."""
    made: argparse.ArgumentParser = _cli().parser()
    return made


def _cli() -> Any:
    return importlib.import_module(f"{_PACKAGE}.cli")
