"""The command line, read the way mock reads it, its traps included.

Two of them cost builders dear: an option that mock doesn't know is no error but becomes an argument, and a word that
looks like an option is taken for one wherever it stands, so that the `-c` of `--chroot sh -c …` is `--continue`. A `--`
before the command avoids both.
"""

from __future__ import annotations

import argparse
from typing import List, Optional, Sequence, Tuple

from kojid.sandbox.mock.errors import BadCommandLine

#: Options that choose what is done. Of several the last counts.
MODES = ("rebuild", "buildsrpm", "init", "clean", "chroot", "shell", "install", "remove", "update", "installdeps",
         "copyin", "copyout", "orphanskill", "umount", "chain")  # fmt: skip
SCRUBS = ("chroot", "cache", "root-cache", "c-cache", "yum-cache", "dnf-cache", "lvm", "overlayfs", "bootstrap", "all")
_FLAGS = ("recurse", "old-chroot", "new-chroot", "enable-network", "unpriv", "symlink-dereference", "postinstall",
          "trace", "bootstrap-chroot", "no-bootstrap-chroot", "use-bootstrap-image", "no-bootstrap-image",
          "cleanup-after", "cache-alterations", "offline", "yum", "dnf")  # fmt: skip
_VALUES = ("arch", "forcearch", "target", "resultdir", "rootdir", "uniqueext", "configdir", "cwd", "spec", "sources",
           "rpmbuild-opts", "isolation", "localrepo", "tmp_prefix", "macro-file", "short-circuit",
           "buildroot-image")  # fmt: skip
_LISTS = ("config-opts", "with", "without", "enable-plugin", "disable-plugin", "plugin-option", "enablerepo",
          "disablerepo", "additional-package")  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mock", description="kojid's stand-in for mock; no replacement for it.")
    for mode in MODES:
        short = ["-i"] if mode == "install" else []
        parser.add_argument(*short, f"--{mode}", dest="mode", action="store_const", const=mode)
    parser.add_argument("--scrub", action="append", choices=SCRUBS, default=[])
    parser.add_argument("-c", "--continue", dest="cont", action="store_true")
    parser.add_argument("-r", "--root", dest="config", default="default")
    parser.add_argument("-n", "--no-clean", dest="clean", action="store_false")
    parser.add_argument("-N", "--no-cleanup-after", dest="cleanup_after", action="store_false")
    parser.add_argument("-D", "--define", action="append", default=[])
    parser.add_argument("-v", "--verbose", dest="verbosity", action="store_const", const=2, default=1)
    parser.add_argument("-q", "--quiet", dest="verbosity", action="store_const", const=0)
    parser.add_argument("-a", "--addrepo", action="append", default=[])
    parser.add_argument("--nocheck", dest="check", action="store_false")
    parser.add_argument("--rpmbuild_timeout", type=int)
    parser.add_argument("-p", "--print-root-path", action="store_true")
    for name in _FLAGS:
        parser.add_argument(f"--{name}", action="store_true")
    for name in _VALUES:
        parser.add_argument(f"--{name}")
    for name in _LISTS:
        parser.add_argument(f"--{name}", action="append", default=[])
    return parser


def parse(arguments: Sequence[str]) -> Tuple[argparse.Namespace, List[str]]:
    """The options and what remains, which holds every option that is not known.

    Raises:
        BadCommandLine: options that exclude each other.
        SystemExit: an option without its value (status 2), or `--help`.
    """
    options, rest = _parser().parse_known_args(arguments)
    if options.mode is None:
        named = rest[0] if rest and rest[0] in MODES else ""
        options.mode = named or "rebuild"
        rest = rest[1:] if named else rest
    if rest and rest[0] == "--":
        rest = rest[1:]
    if options.scrub:
        options.mode = "clean"
    problem = _contradiction(options)
    if problem:
        raise BadCommandLine(problem)
    return options, rest


def _contradiction(options: argparse.Namespace) -> Optional[str]:
    if options.target and "," in options.target:
        return f"--target takes one architecture, not {options.target}"
    if options.mode == "buildsrpm" and not options.spec:
        return "--buildsrpm needs --spec and --sources"
    for flag in ("cont", "recurse", "localrepo"):
        if getattr(options, flag) and options.mode != "chain":
            return f"--{'continue' if flag == 'cont' else flag} goes with --chain only"
    return None
