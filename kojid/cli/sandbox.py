"""The sub-command `kojid sandbox`: hands its arguments to the sandbox, which lives beside the daemon."""

from __future__ import annotations

from typing import List

from kojid.sandbox import cli


def main(argv: List[str]) -> int:
    """Run a sandbox command; returns the exit status."""
    return cli.main(argv)
