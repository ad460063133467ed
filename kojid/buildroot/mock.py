"""The mock driver: its command lines (contract 7.4) and how it is run (contract 7.5).

Mock runs as `mockuser` with the group mock, in a clean environment, and its end is noticed at once. An unknown option
is not rejected by mock but becomes an argument, and a command's own options would be taken for mock's: so a command
always follows `--`.
"""

from __future__ import annotations

import contextlib
import logging
import os
from typing import IO, Any, Callable, Iterator, List, Mapping, Optional, Sequence

import koji

from kojid.buildroot.logs import TICK
from kojid.system.process import STDOUT, ExitStatus, command_line, credentials_of, run

logger = logging.getLogger("koji.build.buildroot")

CONFIG_DIRECTORY = "/etc/mock/koji"
OUTPUT_LOG = "mock_output.log"
_MOCK_GROUP = "mock"


def prefix(options: Any, name: str, extra: Mapping[str, Any]) -> List[str]:
    """The program, the configuration and the options that a tag adds to every call (contract 7.3, 7.4).

    Args:
        options: the daemon's options.
        name: the buildroot's name.
        extra: the tag's extra values.
    """
    argv = [options.mockpath, "-r", config_argument(options, name)]
    if "mock.new_chroot" in extra:
        argv.append("--new-chroot" if extra["mock.new_chroot"] else "--old-chroot")
    if extra.get("mock.bootstrap_image_ready"):
        argv.append("--bootstrap-image-ready")
    return argv


def config_argument(options: Any, name: str) -> str:
    """What `-r` gets: mock's short form where it finds the file by itself, else the path of the file."""
    directory = os.path.normpath(options.mock_config_dir)
    return f"koji/{name}" if directory == CONFIG_DIRECTORY else f"{directory}/{name}.cfg"


def init() -> List[str]:
    """Make the root and install the group."""
    return ["--init"]


def rebuild(srpm: str, arch: Optional[str]) -> List[str]:
    """Build a source package for an arch; None leaves it to mock."""
    target = ["--target", arch] if arch else []
    return ["--no-clean", *target, "--rebuild", srpm]


def buildsrpm(spec: str, sources: str) -> List[str]:
    """Make a source package from a spec file and a directory, both paths on the host."""
    return ["--no-clean", "--buildsrpm", "--spec", spec, "--sources", sources, "--target", "noarch"]


def source_command(words: Sequence[str], directory: str) -> List[str]:
    """Run a command as the unprivileged build user in a directory of the chroot."""
    return ["--no-clean", "--unpriv", "--cwd", directory, "--chroot", "--", *words]


def install(packages: Sequence[str]) -> List[str]:
    """Install packages into the root.

    Raises:
        koji.BuildrootError: a name is none; one that looks like an option would be taken for one.
    """
    for name in packages:
        if not isinstance(name, str) or not name or name.startswith("-"):
            raise koji.BuildrootError(f"no package can be named {name!r}")
    return ["--install", *packages]


def in_chroot(*words: str) -> List[str]:
    """Run a command as root in the chroot, for noarch."""
    return ["--no-clean", "--target", "noarch", "--chroot", "--", *words]


def execute(argv: Sequence[str], options: Any, workdir: Optional[str], on_tick: Callable[[], None]) -> ExitStatus:
    """Run mock to its end; there is no time limit but mock's own, rpmbuild_timeout (contract 7.5).

    Args:
        argv: the whole command line.
        options: the daemon's options; `mockuser` matters when the daemon is root.
        workdir: where the output is appended to mock_output.log; None lets it go where the daemon's goes.
        on_tick: called while mock runs, several times a second, and once after its end. When it raises, mock and all
            that it started are ended.

    Raises:
        HostFault: mock, the user or the group is missing.
    """
    user = credentials_of(options.mockuser, _MOCK_GROUP) if os.geteuid() == 0 else None
    logger.info("%s", command_line(argv))
    with _output(workdir) as output:
        return run(
            argv, timeout=None, tick=TICK, on_tick=on_tick, user=user, stdout=output, stderr=STDOUT if output else None
        )


def tell(workdir: Optional[str], text: str) -> None:
    """Add something of the builder's own to mock_output.log, where mock's account of it would be."""
    with _output(workdir) as output:
        if output is not None:
            output.write(text.encode("utf-8"))


@contextlib.contextmanager
def _output(workdir: Optional[str]) -> Iterator[Optional[IO[bytes]]]:
    if not workdir:
        yield None
        return
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(os.path.join(workdir, OUTPUT_LOG), flags, 0o644), "ab") as output:
        yield output
