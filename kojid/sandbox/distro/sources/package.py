"""Writes a source package from a spec file and its sources."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Mapping, Optional, Union

from kojid.sandbox.distro import build
from kojid.sandbox.distro.synthetic import DIST

Sources = Mapping[str, Union[str, bytes, Path]]


def srpm(out: Path, name: str, spec_text: str, sources: Optional[Sources] = None, *, target: str = "noarch") -> Path:
    """Writes a source package, as a packager would on a machine without its build requirements.

    Args:
        out: directory for the package; made when missing.
        name: of the spec file, without `.spec`.
        spec_text: the spec file; `%dist` is the distribution's.
        sources: the files that the spec file lists, by name: text, bytes, or a file to copy.
        target: architecture to write it for; rpmbuild refuses one that `ExclusiveArch` rules out.

    Returns:
        The `.src.rpm` below `out`.

    Raises:
        MissingPackages: rpmbuild is not on this machine.
        DistributionError: rpmbuild refuses the spec file.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".srpm-", dir=out) as scratch:
        top = Path(scratch)
        (top / "SOURCES").mkdir()
        for file_name, content in (sources or {}).items():
            (top / "SOURCES" / file_name).write_bytes(_bytes(content))
        spec = top / f"{name}.spec"
        spec.write_text(spec_text)
        written = build.rpmbuild(spec, top, "-bs", options=["--define", f"dist {DIST}", "--target", target])[0]
        return written.replace(out / written.name)


def _bytes(content: Union[str, bytes, Path]) -> bytes:
    if isinstance(content, Path):
        return content.read_bytes()
    return content.encode() if isinstance(content, str) else content
