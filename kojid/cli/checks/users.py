"""Users: root, who runs mock, and who fetches sources."""

from __future__ import annotations

import grp
import os
from typing import Iterator

from kojid.cli.checks.base import Check, Context, Finding, fine, skipped, unless_any, warn, wrong
from kojid.sources import scmworkplace
from kojid.system import access
from kojid.system.accounts import credentials_of

SECTION = "users"
_GROUP = "mock"


def _root(_context: Context) -> Iterator[Finding]:
    if os.geteuid() == 0:
        yield fine("this is root, as the daemon is")
    else:
        yield warn(
            "this is not root: what the daemon can use is only guessed", "run it as root, as the daemon has to run"
        )


def _mock_user(context: Context) -> Iterator[Finding]:
    user = context.options.mockuser
    credentials = credentials_of(user, _GROUP)
    if credentials.uid == 0:
        yield wrong("mockuser is root", "set mockuser to a user without privileges, in the group mock")
    group = grp.getgrnam(_GROUP)
    if user not in group.gr_mem and credentials.gid != group.gr_gid:
        yield warn(f"{user} is not in the group {_GROUP}", f"usermod -a -G {_GROUP} {user}")
    yield fine(f"{user}, uid {credentials.uid}")


def _scm_user(context: Context) -> Iterator[Finding]:
    options = context.options
    user = scmworkplace.scm_credentials(options)
    if options.scm_user == options.mockuser:
        yield warn(f"scm_user is mockuser, {options.mockuser}: builds run under its number", "set scm_user to another")
    yield fine(f"{options.scm_user}{'' if user is None else f', uid {user.uid}'}")


def _scm_files(context: Context) -> Iterator[Finding]:
    options = context.options
    user = scmworkplace.scm_credentials(options)
    for test, path, hint in scmworkplace.credential_files(options):
        if not access.may(user, test, path):
            yield wrong(f"{path} can't be used by {options.scm_user}", hint)
    directory = options.scm_credentials_dir
    if directory and not os.path.isdir(directory):
        yield wrong(f"{directory} is no directory", "set scm_credentials_dir, or make it")


def _has_scm_files(context: Context) -> Iterator[Finding]:
    options = context.options
    if not (options.scm_home or options.scm_ssh_key or options.scm_credentials_dir):
        yield fine("none are set")
    elif os.geteuid() != 0:
        yield skipped("only root can try them as scm_user")
    else:
        yield from unless_any(_scm_files(context), f"{options.scm_user} can use them")


ROWS = (
    Check(SECTION, "root", "who runs this", "run it as root", _root),
    Check(SECTION, "mockuser", "the user that runs mock", "useradd --system --groups mock kojibuilder", _mock_user),
    Check(SECTION, "scm_user", "the user that fetches sources", "set scm_user to a user without privileges",
          _scm_user),
    Check(SECTION, "scm_files", "credentials for version control", "see docs/sources.md", _has_scm_files),
)  # fmt: skip
