"""Programs that turn one form of an image into another: qemu-img, xz, tar, mksquashfs.

Each runs to its end and its exit status counts (contract 11, item 31): half an image is never taken for one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Sequence, Type

import koji

from kojid.buildroot import disktrouble
from kojid.errors import HostFault
from kojid.system.files import tail_lines
from kojid.system.process import command_line, run
from kojid.tasks.parts import program

QEMU_IMG = program("qemu-img", "qemu-img (Debian: qemu-utils)")
XZ = program("xz", "xz (Debian: xz-utils)")
TAR = program("tar", "tar")
MKSQUASHFS = program("mksquashfs", "squashfs-tools")

_QUOTED = 20


def convert(
    handler: Any,
    argv: Sequence[str],
    result: Path,
    *,
    log: Path,
    fault: Type[koji.GenericError] = koji.BuildError,
    **run_args: Any,
) -> Path:
    """Run a converter.

    Args:
        handler: the task; `command_timeout` of its options limits the converter.
        argv: the command; file names that may begin with a dash stand behind `--` or a directory.
        result: the file that it has to leave.
        log: gets its output, the command line first.
        fault: type of the fault when it fails.
        run_args: more for `kojid.system.process.run`, as `cwd` or `on_tick`.

    Returns:
        the result.

    Raises:
        The type of `fault`: it failed or left nothing; the end of the log is quoted.
        CommandTimeout: it did not end in its time.
        HostFault: the program is missing, or this host's disks are full.
    """
    name = os.path.basename(argv[0])
    status = run(argv, timeout=float(handler.options.command_timeout), log=log, **run_args)
    if status.ok and result.is_file():
        return result
    lines = tail_lines(log, _QUOTED)
    ending = status.describe() if not status.ok else f"left no {result.name}"
    trouble = disktrouble.found(handler.options, lines)
    if trouble:
        raise HostFault(f"{name} {ending}", trouble)
    quoted = "".join(f"\n  {line}" for line in lines)
    raise fault(f"{name} {ending}: {command_line(argv)}; see {log.name} for more information{quoted}")
