"""Ending a sandbox's processes, and deleting it."""

from __future__ import annotations

from pathlib import Path

from kojid.errors import HostFault
from kojid.sandbox import layout
from kojid.sandbox.errors import SandboxError
from kojid.sandbox.layout import Layout
from kojid.sandbox.machinery import Builder, Hub
from kojid.sandbox.steps import Steps
from kojid.system import files, mounts


def stop(made: Layout, steps: Steps) -> None:
    """End the builder, with its tasks, and then the hub."""
    for machine in (Builder(made), Hub(made)):
        pid = machine.service.pid()
        ended = machine.stop()
        steps.say(f"{machine.service.name}: {f'ended (pid {pid})' if ended else 'did not run'}")


def delete(directory: Path, steps: Steps) -> None:
    """End what runs and delete the whole directory.

    Args:
        directory: the sandbox's, or the link to it.
        steps: told what is done.

    Raises:
        SandboxUsage: it is no sandbox.
        SandboxError: something is mounted in it, or can't be deleted.
    """
    if not directory.exists() and not directory.is_symlink():
        steps.say(f"nothing to delete: there is no {directory}")
        return
    made = layout.find(directory)
    stop(made, steps)
    mounted = mounts.mounts_under(made.dir)
    if mounted:
        raise SandboxError(f"something is mounted in the sandbox: {', '.join(mounted)}", "unmount it, then reset again")
    try:
        files.remove_tree(made.dir)
    except (HostFault, OSError) as error:
        raise SandboxError(f"{made.dir} can't be deleted: {error}") from error
    if directory.is_symlink():
        directory.unlink()
    steps.say(f"deleted {made.dir}")
