"""Installing a built package from its repository into a chroot of its own, and running a program of it there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import List, Tuple

import koji

from kojid.sandbox.configuration import Urls
from kojid.sandbox.content import BUILD_TAG, machine_arch
from kojid.sandbox.errors import SandboxError
from kojid.sandbox.layout import MOCK_USER, Layout
from kojid.system import files, process

_NAME = "demo-greeting"
_SECONDS = 120
_BASE = ("bash", "coreutils")


@dataclass(frozen=True)
class Chroot:
    """A chroot of the demo.

    Args:
        layout: the sandbox.
        urls: where its hub answers.
        mock: the mock program.
    """

    layout: Layout
    urls: Urls
    mock: Path

    def install(self, repo_id: int, package: str) -> None:
        """Make the chroot anew with a package from a repository of the build tag.

        Raises:
            SandboxError: it could not be installed; with the last lines of mock's output.
        """
        self.remove()
        text: str = koji.genMockConfig(
            _NAME,
            machine_arch(),
            repoid=repo_id,
            tag_name=BUILD_TAG,
            topurls=[self.urls.topurl],
            mockdir=str(self.layout.mockdir),
            use_bootstrap=False,
            package_manager="dnf",
        )
        setup = " ".join(["install", *_BASE, package])
        self._config.write_text(f"{text}\nconfig_opts['chroot_setup_cmd'] = {setup!r}\n")
        self._mock(["--init"])

    def run(self, program: str) -> str:
        """What a program prints when it is run in the chroot.

        Raises:
            SandboxError: it fails.
        """
        return self._mock(["--chroot", "--", program])

    def remove(self) -> None:
        """Delete the chroot."""
        files.remove_tree(self.layout.mockdir / _NAME)
        self._config.unlink(missing_ok=True)

    @property
    def _config(self) -> Path:
        return self.layout.mock_configs.parent / f"{_NAME}.cfg"

    def _mock(self, arguments: List[str]) -> str:
        log = self.layout.log_dir / f"{_NAME}.log"
        status, output = self._run([str(self.mock), "-r", str(self._config), *arguments], log)
        if not status.ok:
            tail = "\n".join(f"  {line}" for line in files.tail_lines(log))
            raise SandboxError(f"mock {' '.join(arguments)} {status.describe()}:\n{tail}", f"all of it: {log}")
        return output

    def _run(self, command: List[str], log: Path) -> Tuple[process.ExitStatus, str]:
        user = process.credentials_of(MOCK_USER, "mock")
        with log.open("ab") as messages:
            status, output = process.capture(command, timeout=_SECONDS, user=user, stderr=messages, cwd="/")
        return status, output.decode(errors="replace")
