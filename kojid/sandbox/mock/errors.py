"""What ends a run, each with the exit status that mock has for it."""

from __future__ import annotations

import signal


class MockError(Exception):
    """The run failed; `status` is the exit status."""

    status = 1


class NoPrivilege(MockError):
    """Not started through the set-uid wrapper, or the caller is not in group mock."""

    status = 2


class ConfigError(MockError):
    """The config file is missing or is no valid Python."""

    status = 3


class BadCommandLine(MockError):
    """The command line contradicts itself, or names a spec file that is not there."""

    status = 5


class TimeoutExpired(MockError):
    """rpmbuild took longer than `rpmbuild_timeout`."""

    status = 11


class PackageManagerError(MockError):
    """dnf failed: a missing package, an unknown group, a repository out of reach."""

    status = 30


class SourcePackageError(MockError):
    """The source package could not be unpacked in the chroot."""

    status = 40


class NothingToDo(MockError):
    """The command came without what it works on."""

    status = 50


class RootLocked(MockError):
    """Another run holds the root's lock."""

    status = 60


class Interrupted(MockError):
    """A signal came. SIGINT has a status of its own, the others 128 and their number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.status = 7 if number == signal.SIGINT else 128 + number
