"""Which shared libraries the staged programs offer and need, in RPM's words, and whether the two match."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Dict, Iterable, List, Set

from kojid.sandbox.distro.errors import DistributionError

ELFDEPS = Path("/usr/lib/rpm/elfdeps")
_MAGIC = b"\x7fELF"


def elf_files(root: Path, paths: Iterable[str]) -> List[Path]:
    """Those of the paths that are regular ELF files below the root."""
    found = []
    for path in paths:
        target = root / path.lstrip("/")
        if target.is_symlink() or not target.is_file():
            continue
        with target.open("rb") as stream:
            if stream.read(4) == _MAGIC:
                found.append(target)
    return found


def provides(files: Iterable[Path]) -> Set[str]:
    """What these files provide, as `libz.so.1(ZLIB_1.2.9)(64bit)`."""
    return _elfdeps("--provides", (path for path in files if ".so" in path.name))


def requires(files: Iterable[Path]) -> Set[str]:
    """What these files need; the loader's own features (`rtld(…)`) are not libraries and are left out."""
    return {need for need in _elfdeps("--requires", files) if not need.startswith("rtld(")}


def _elfdeps(kind: str, files: Iterable[Path]) -> Set[str]:
    names = [str(path) for path in files]
    if not names:
        return set()
    done = subprocess.run([str(ELFDEPS), kind], input="\n".join(names) + "\n", capture_output=True,
                          check=False, text=True)  # fmt: skip
    if done.returncode:
        raise DistributionError(f"{ELFDEPS} {kind} failed: {done.stderr.strip()}")
    return set(done.stdout.split("\n")) - {""}


def check(needs: Dict[str, Set[str]], offered: Set[str]) -> None:
    """Every library that a package needs is in the distribution.

    Args:
        needs: by package, what its ELF files need.
        offered: what all packages together provide.

    Raises:
        DistributionError: naming each package with what it lacks.
    """
    lacking = {name: sorted(wanted - offered) for name, wanted in needs.items() if wanted - offered}
    if lacking:
        lines = "; ".join(f"{name}: {', '.join(libraries)}" for name, libraries in sorted(lacking.items()))
        raise DistributionError(f"libraries that no package of the distribution has: {lines}")
