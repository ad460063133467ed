"""Where the programs of version control work: an unprivileged user, a directory of its own, a scrubbed environment.

What they fetch is anybody's, and so is what they do with it, so they never run as root (design, decision 9; contract
11, item 22). Credentials are what the options `scm_home` and `scm_ssh_key` name, and what this user can read of them.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import koji

from kojid.errors import BuildFailed, HostFault
from kojid.sources.scmlog import LogFeed
from kojid.system import access, process
from kojid.system.accounts import Credentials, clean_environment, credentials_of
from kojid.system.files import tail_lines
from kojid.system.ownership import hand_over

_QUOTED = 10
_CHECK_SECONDS = 60.0
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
_HOST_TROUBLE = ("No space left on device", "Disk quota exceeded", "Read-only file system", "Cannot allocate memory")
# Whatever a repository brings along: no hooks, no templates, no monitor programs, no house-keeping left behind.
_GIT_CONFIG = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "init.templateDir": "",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "advice.detachedHead": "false",
}


class Workplace:
    """The directory of a checkout while the programs work in it; made by `workplace`.

    Args:
        options: the daemon's options.
        directory: the checkout's directory.
        home: HOME of the programs.
        feed: takes the log.
        user: whom they run as; None when the daemon is not root, and then they run as the daemon does.
    """

    def __init__(self, options: Any, directory: Path, home: Path, feed: LogFeed, user: Optional[Credentials]) -> None:
        self.options = options
        self.directory = directory
        self.feed = feed
        self.user = user
        self.environment = _environment(home, user)

    def allow_protocols(self, protocols: str) -> None:
        """Which transports git may use, colons between them; neither `ext` nor `file` is ever among them."""
        self.environment["GIT_ALLOW_PROTOCOL"] = protocols

    def configure_git(self, settings: Dict[str, str]) -> None:
        """Further settings of git; they come before what a repository says."""
        number = int(self.environment["GIT_CONFIG_COUNT"])
        for key, value in settings.items():
            self.environment[f"GIT_CONFIG_KEY_{number}"] = key
            self.environment[f"GIT_CONFIG_VALUE_{number}"] = value
            number += 1
        self.environment["GIT_CONFIG_COUNT"] = str(number)

    def run(self, scmtype: str, argv: Sequence[str], below: str = "", **variables: str) -> None:
        """Run a program to its end, its output in the log.

        Args:
            scmtype: for the message.
            argv: the command.
            below: the directory to run it in, below the checkout's.
            variables: more of its environment.

        Raises:
            BuildFailed: it failed, or took too long. HostFault: it is not installed, or this host has no room for it.
        """
        log = self.feed.path
        try:
            status = process.run(
                argv, timeout=float(self.options.command_timeout), log=log, on_tick=self.feed.tick,
                cwd=self.directory / below, env={**self.environment, **variables}, user=self.user,
            )  # fmt: skip
        except process.CommandTimeout as error:
            raise BuildFailed(str(error), log.name, tail_lines(log, _QUOTED)) from error
        if status.ok:
            return
        tail = tail_lines(log, _QUOTED)
        text = f'Error running {scmtype} command "{process.command_line(argv)}", see {log.name} for details'
        trouble = next((words for words in _HOST_TROUBLE if any(words in line for line in tail)), "")
        if trouble:
            raise HostFault(f"{text}: {trouble}", "make room in mockdir or workdir")
        raise BuildFailed(text, log.name, tail)

    def ask(self, argv: Sequence[str], below: str = "") -> str:
        """The output of a quick command, without the blanks around it.

        Raises:
            koji.GenericError: it failed. HostFault: it can't be started.
        """
        status, output = process.capture(
            argv, timeout=_CHECK_SECONDS, cwd=self.directory / below, env=self.environment, user=self.user
        )
        if not status.ok:
            raise koji.GenericError(f"{process.command_line(argv)} {status.describe()}")
        return output.decode("utf-8", errors="replace").strip()


@contextlib.contextmanager
def workplace(options: Any, directory: Path, feed: LogFeed) -> Iterator[Workplace]:
    """Prepare a directory for a checkout; at the end all of it belongs to the daemon's own user again.

    That is what callbacks of plugins expect, git among them, which looks into nobody else's repositories.

    Args:
        options: the daemon's options.
        directory: of the checkout; it is there and itself trusted.
        feed: takes the log.

    Raises:
        HostFault: the user does not exist, is root, or can't reach the directory or its credentials.
    """
    user = scm_credentials(options)
    private = Path(tempfile.mkdtemp(prefix=".scm-", dir=directory))
    try:
        _write_ssh(options, private / "ssh")
        private.chmod(0o755)
        home = Path(options.scm_home) if options.scm_home else private / "home"
        if not options.scm_home:
            home.mkdir(mode=0o700)
        if user is not None:
            if not options.scm_home:
                os.chown(home, user.uid, user.gid)
            os.chown(directory, user.uid, user.gid)
        made = Workplace(options, directory, home, feed, user)
        made.environment.update(
            GIT_SSH=str(private / "ssh"), SVN_SSH=str(private / "ssh"), CVS_RSH=str(private / "ssh")
        )
        _check_access(made)
        yield made
    finally:
        if user is not None:
            hand_over(directory, user.uid, os.geteuid(), os.getegid())
        shutil.rmtree(private, ignore_errors=True)


def scm_credentials(options: Any) -> Optional[Credentials]:
    """Whom git, svn and cvs run as; None when the daemon is not root, and then they run as the daemon does.

    Raises:
        HostFault: there is no such user, or it is root.
    """
    if os.geteuid() != 0:
        return None
    try:
        user = credentials_of(options.scm_user)
    except HostFault as error:
        raise HostFault(error.message, "create it, or set scm_user") from error
    if user.uid == 0:
        raise HostFault("sources are never fetched as root", "set scm_user to a user without privileges")
    return user


def _check_access(place: Workplace) -> None:
    writable = (access.WRITE, str(place.directory), "the directories above it must be searchable by everyone")
    for test, path, hint in (writable, *credential_files(place.options)):
        if not access.may(place.user, test, path):
            raise HostFault(f"the user {place.options.scm_user} of the option scm_user can't use {path}", hint)


def credential_files(options: Any) -> Iterator[Tuple[str, str, str]]:
    """What scm_user must be able to use besides the checkout: the test (see `access`), the path, and what to do."""
    if options.scm_home:
        yield access.SEARCH, options.scm_home, "scm_home must be readable by scm_user"
    if options.scm_ssh_key:
        yield access.READ, options.scm_ssh_key, "scm_ssh_key must be readable by scm_user"


def _environment(home: Path, user: Optional[Credentials]) -> Dict[str, str]:
    environment = clean_environment(user)
    for name in _PROXIES:
        for spelling in (name, name.upper()):
            if spelling in os.environ:
                environment[spelling] = os.environ[spelling]
    environment.update(
        HOME=str(home),
        GIT_TERMINAL_PROMPT="0",
        GIT_ASKPASS="/bin/false",
        SSH_ASKPASS="/bin/false",
        GIT_SSH_VARIANT="ssh",
        GIT_PROTOCOL_FROM_USER="0",
        GIT_ALLOW_PROTOCOL="https",
        GIT_LFS_SKIP_SMUDGE="1",
        GIT_CONFIG_COUNT=str(len(_GIT_CONFIG)),
    )
    for number, (key, value) in enumerate(_GIT_CONFIG.items()):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return environment


def _write_ssh(options: Any, path: Path) -> None:
    """A program in the place of ssh that never asks, and uses our credentials: ssh itself does not heed HOME."""
    words: List[str] = ["ssh", "-o", "BatchMode=yes"]
    if options.scm_home:
        directory = Path(options.scm_home) / ".ssh"
        if (directory / "config").exists():
            words += ["-F", str(directory / "config")]
        words += ["-o", f"UserKnownHostsFile={directory / 'known_hosts'}"]
        for key in sorted(directory.glob("id_*")):
            if key.suffix != ".pub":
                words += ["-i", str(key)]
    if options.scm_ssh_key:
        words += ["-i", options.scm_ssh_key, "-o", "IdentitiesOnly=yes"]
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
