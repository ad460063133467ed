"""What a finished distribution was made from, so that an unchanged machine uses it again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Optional

from kojid.sandbox.distro.dpkg import Package

FILE_NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """The digest of the input, and the files that came of it, relative to the distribution's directory."""

    digest: str
    rpms: List[str]
    srpms: List[str]
    names: List[str]
    groups: Dict[str, List[str]]


def _generator_digest() -> str:
    """A digest of this package's own code: a changed generator makes a new distribution."""
    digest = hashlib.sha256()
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest()


def input_digest(packages: Iterable[Package], release: str) -> str:
    """A digest of everything that the result depends on."""
    lines = [f"{package.name} {package.arch} {package.version}" for package in packages]
    text = "\n".join([release, _generator_digest(), *sorted(lines)])
    return hashlib.sha256(text.encode()).hexdigest()


def read(out: Path) -> Optional[Manifest]:
    """The manifest of a finished distribution whose files are all there, else None."""
    try:
        found = Manifest(**json.loads((out / FILE_NAME).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return found if all((out / name).is_file() for name in [*found.rpms, *found.srpms]) else None


def write(out: Path, manifest: Manifest) -> None:
    """Writes the manifest; it comes last, so that a directory with one is complete."""
    (out / FILE_NAME).write_text(json.dumps(asdict(manifest), indent=1, sort_keys=True) + "\n")
