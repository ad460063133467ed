"""The branches that hold a commit that has been checked out, for policies that ask about them (contract 10.3)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, List

import koji

from kojid.sources.scmworkplace import scm_credentials
from kojid.system import process
from kojid.system.accounts import clean_environment

_SECONDS = 300.0
_FORMAT = "%(refname:strip=3)%09%(symref)"


def containing_head(options: Any, directory: str) -> List[str]:
    """The server's branches that hold the commit of a checkout; none for one that a branch never held.

    Args:
        options: the daemon's options.
        directory: in the checkout.

    Raises:
        koji.GenericError: git can't tell. HostFault: git or its user is missing.
    """
    user = scm_credentials(options)
    with tempfile.TemporaryDirectory(prefix="kojid-git-") as home:
        # the checkout is the daemon's by now, and git trusts its owner only unless it is told otherwise
        Path(home, ".gitconfig").write_text("[safe]\n\tdirectory = *\n[core]\n\tfsmonitor = false\n", encoding="utf-8")
        os.chmod(home, 0o755)  # noqa: S103 - that file is no secret
        status, output = process.capture(
            ["git", "branch", "-r", "--contains", "HEAD", f"--format={_FORMAT}"], timeout=_SECONDS, cwd=directory,
            env={**clean_environment(user), "HOME": home}, user=user,
        )  # fmt: skip
    if not status.ok:
        raise koji.GenericError(f"the branches of the checkout can't be listed: git {status.describe()}")
    lines = [line.partition("\t") for line in output.decode("utf-8", errors="replace").splitlines()]
    return [name for name, _, pointer in lines if name and not pointer]
