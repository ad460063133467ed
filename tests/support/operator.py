"""The sub-commands for administrators, as an administrator runs them: `bin/kojid SUB -c CONF …` in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

ROOT = Path(__file__).parents[2]


def command(conf: Path, name: str, *arguments: str) -> List[str]:
    """The command line."""
    return [sys.executable, str(ROOT / "bin" / "kojid"), name, "-c", str(conf), *arguments]


def run(conf: Path, name: str, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run one to its end."""
    return subprocess.run(
        command(conf, name, *arguments), capture_output=True, text=True, timeout=timeout, check=False, cwd="/"
    )


def start(conf: Path, name: str, *arguments: str) -> subprocess.Popen[str]:
    """Start one."""
    return subprocess.Popen(
        command(conf, name, *arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/"
    )


def picture(conf: Path, *arguments: str) -> Dict[str, Any]:
    """What `kojid status --json` says, its exit status with it as `status`."""
    done = run(conf, "status", "--json", *arguments)
    assert done.stdout, done.stderr
    return {**json.loads(done.stdout), "status": done.returncode}
