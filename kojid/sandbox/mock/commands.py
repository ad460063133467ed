"""What a run does, by the mode that the command line chose."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Callable, Dict, List

from kojid.sandbox.mock import accounts
from kojid.sandbox.mock.buildroot import Buildroot
from kojid.sandbox.mock.caller import acting_as
from kojid.sandbox.mock.errors import MockError, NothingToDo
from kojid.sandbox.mock.rebuild import Builder, check_source_packages, check_spec

Arguments = List[str]
Command = Callable[[Buildroot, argparse.Namespace, Arguments], int]


def run(buildroot: Buildroot, options: argparse.Namespace, arguments: Arguments) -> int:
    """Does what the command line asks for and returns the exit status."""
    if options.print_root_path:
        print(f"{buildroot.root}/")
        return 0
    command = _COMMANDS.get(options.mode)
    if command is None:
        raise MockError(f"--{options.mode} is not built into this stand-in for mock")
    with buildroot.logs.state_unlogged("run"):
        return command(buildroot, options, arguments)


def _clean_first(buildroot: Buildroot, options: argparse.Namespace) -> None:
    if options.clean:
        with buildroot.logs.state_unlogged("clean chroot"):
            buildroot.clean()


def _init(buildroot: Buildroot, options: argparse.Namespace, _arguments: Arguments) -> int:
    _clean_first(buildroot, options)
    with buildroot.ready():
        return 0


def _clean(buildroot: Buildroot, _options: argparse.Namespace, _arguments: Arguments) -> int:
    with buildroot.logs.state_unlogged("clean chroot"):
        buildroot.clean()
        buildroot.forget()
    return 0


def _rebuild(buildroot: Buildroot, options: argparse.Namespace, arguments: Arguments) -> int:
    sources = check_source_packages(buildroot, arguments)
    _clean_first(buildroot, options)
    with buildroot.ready():
        try:
            for source in sources:
                Builder(buildroot).rebuild(source)
        finally:
            buildroot.logs.info(f"Results and/or logs in: {buildroot.results}")
    return 0


def _buildsrpm(buildroot: Buildroot, options: argparse.Namespace, _arguments: Arguments) -> int:
    spec = check_spec(options.spec)
    _clean_first(buildroot, options)
    with buildroot.ready():
        Builder(buildroot).write_source_package(spec, options.sources or "")
        buildroot.logs.info(f"Results and/or logs in: {buildroot.results}")
    return 0


def _chroot(buildroot: Buildroot, options: argparse.Namespace, arguments: Arguments) -> int:
    if not arguments:
        raise NothingToDo("--chroot needs a command")

    def output(line: str) -> None:
        print(line, flush=True)
        buildroot.logs.root(line)

    words = arguments if len(arguments) > 1 else arguments[0]
    with buildroot.ready(), buildroot.logs.state(f"chroot {arguments}"):
        buildroot.logs.info(f"Running in chroot: {arguments}")
        try:
            return buildroot.run(words, output, user=options.unpriv, cwd=options.cwd or "/")
        except OSError as error:
            raise MockError(f"can't run {arguments[0]}: {error}") from error


def _shell(buildroot: Buildroot, options: argparse.Namespace, arguments: Arguments) -> int:
    """The caller's terminal is the shell's: nothing of it is logged."""
    with buildroot.ready(), buildroot.logs.state("shell"):
        return buildroot.shell(arguments, user=options.unpriv, cwd=options.cwd or buildroot.config["chroothome"])


def _packages(buildroot: Buildroot, options: argparse.Namespace, arguments: Arguments) -> int:
    if not arguments and options.mode != "update":
        raise NothingToDo(f"--{options.mode} needs packages")
    with buildroot.ready():
        buildroot.logs.info(f"{options.mode} of package(s): {' '.join(arguments)}")
        buildroot.packages.install(options.mode, arguments)
    return 0


def _installdeps(buildroot: Buildroot, _options: argparse.Namespace, arguments: Arguments) -> int:
    sources = check_source_packages(buildroot, arguments)
    with buildroot.ready():
        for source in sources:
            buildroot.packages.install_requirements(source.absolute())
    return 0


def _copyin(buildroot: Buildroot, _options: argparse.Namespace, arguments: Arguments) -> int:
    if len(arguments) < 2:
        raise NothingToDo("--copyin needs files and a destination")
    *sources, destination = arguments
    with buildroot.ready():
        target = accounts.inside(buildroot.root, destination)
        for source in sources:
            with acting_as(buildroot.caller):
                content = Path(source).read_bytes()
            (target / Path(source).name if target.is_dir() else target).write_bytes(content)
    return 0


def _copyout(buildroot: Buildroot, _options: argparse.Namespace, arguments: Arguments) -> int:
    if len(arguments) < 2:
        raise NothingToDo("--copyout needs files and a destination")
    *sources, destination = arguments
    with buildroot.ready(), acting_as(buildroot.caller):
        for source in sources:
            shutil.copy(accounts.inside(buildroot.root, source), destination)
    return 0


def _nothing(_buildroot: Buildroot, options: argparse.Namespace, _arguments: Arguments) -> int:
    """Nothing outlives a run here: its processes and mounts are its own."""
    print(f"--{options.mode}: nothing to do", file=sys.stderr)
    return 0


_COMMANDS: Dict[str, Command] = {
    "init": _init, "shell": _shell, "clean": _clean, "rebuild": _rebuild, "buildsrpm": _buildsrpm, "chroot": _chroot,
    "install": _packages, "remove": _packages, "update": _packages, "installdeps": _installdeps,
    "copyin": _copyin, "copyout": _copyout, "orphanskill": _nothing, "umount": _nothing,
}  # fmt: skip
