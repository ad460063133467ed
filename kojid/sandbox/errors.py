"""What keeps a sandbox from working, told with what to do about it."""

from __future__ import annotations

from kojid.errors import KojidError


class SandboxError(KojidError):
    """A step of the sandbox failed; `message` says what happened and `hint` what helps."""


class SandboxUsage(SandboxError):
    """The command line, or the directory it names, is wrong; exit status 2."""

    exit_status = 2
