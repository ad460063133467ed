"""What a reader of figures has to know of the machine, the versions and the commit that they are of."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib import metadata
from pathlib import Path
from typing import Dict

import kojid
from bench.places import CHECKOUT

_PACKAGES = ("koji", "requests", "cheroot")


def commit() -> str:
    """The commit of the checkout, with "+" when files differ from it; "unknown" outside of a repository."""
    try:
        name = _git("rev-parse", "--short=12", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", "kojid", "bench", "tests")
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return f"{name}+" if changed else name


def _git(*words: str) -> str:
    done = subprocess.run(["git", "-C", str(CHECKOUT), *words], capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()


def machine() -> Dict[str, object]:
    """The machine and what runs on it."""
    return {
        "processor": _field("/proc/cpuinfo", "model name") or platform.machine(),
        "processors": os.cpu_count(),
        "memory_mb": int((_field("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) // 1024,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "kojid": kojid.__version__,
        **{name: metadata.version(name) for name in _PACKAGES},
    }


def moment() -> Dict[str, object]:
    """When, of what, and how busy the machine was just before."""
    return {
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": commit(),
        "load": round(os.getloadavg()[0], 2),
    }


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
