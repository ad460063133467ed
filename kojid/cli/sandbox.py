"""`kojid sandbox`: a whole build system in one directory of this machine, to try kojid out."""

from __future__ import annotations

from typing import List

from kojid.sandbox import cli

parser = cli.parser


def main(argv: List[str]) -> int:
    """Run a sandbox command; returns the exit status."""
    return cli.main(argv)
