"""What can go wrong while the distribution is made, each with what to do about it."""

from __future__ import annotations

from typing import Iterable


class DistributionError(Exception):
    """The distribution, or a source package for it, can't be made; the message says why and what helps."""


class MissingPackages(DistributionError):
    """Debian packages that the distribution is made from are not installed on this machine.

    Args:
        names: the missing packages' Debian names.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = sorted(names)
        wanted = " ".join(self.names)
        super().__init__(f"missing Debian packages: {wanted} (run: apt-get install --no-install-recommends {wanted})")
