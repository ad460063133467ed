"""Noarch rpms that several architectures built: they have to be the same (contract 6.3)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

from kojid.sandbox.hub.content import filing
from kojid.sandbox.hub.kernel import Context

REPORT = "noarch_rpmdiff.json"
IGNORED = "S5TN"  # size, digest, time, links: they differ where files are made during the build


def distinct(ctx: Context, rpms: Sequence[str], logs: Mapping[str, Sequence[str]]) -> List[str]:
    """The uploaded rpms without the repetitions of noarch ones, those having been compared.

    Args:
        ctx: the call.
        rpms: paths below the work directory.
        logs: architecture -> paths of logs; a builder's hashes of its noarch rpms are among them.

    Raises:
        koji.BuildError: two of the same name differ in more than size, digest, time and links.
        KeyError: the first builder gave hashes and another did not.
    """
    hashes = _hashes(ctx, logs)
    first: Dict[str, str] = {}
    kept: List[str] = []
    for relpath in rpms:
        name = Path(relpath).name
        if name in first and name.endswith(".noarch.rpm"):
            _compare(ctx, first[name], relpath, hashes)
            continue
        first[name] = relpath
        kept.append(relpath)
    return kept


def _hashes(ctx: Context, logs: Mapping[str, Sequence[str]]) -> Dict[str, Dict[str, Any]]:
    found: Dict[str, Dict[str, Any]] = {}
    for relpath in (path for paths in logs.values() for path in paths):
        if Path(relpath).name == REPORT:
            found.update(json.loads(filing.uploaded(ctx, relpath).read_text(encoding="utf-8")))
    return found


def _compare(ctx: Context, first: str, other: str, hashes: Mapping[str, Mapping[str, Any]]) -> None:
    name = Path(first).name
    expected = hashes.get(_task(first), {}).get(name)
    if expected and hashes[_task(other)][name] == expected:
        return
    import koji.rpmdiff  # here, not at the top: it needs the rpm bindings, the rest of the hub does not

    files = [str(filing.uploaded(ctx, relpath)) for relpath in (first, other)]
    diff = koji.rpmdiff.Rpmdiff(*files, ignore=IGNORED)
    if diff.differs():
        raise koji.BuildError(
            f"The following noarch package built differently on different architectures: {name}\n"
            f"rpmdiff output was:\n{diff.textdiff()}"
        )


def _task(relpath: str) -> str:
    """The task in whose upload directory a file lies, as the report names it: tasks/<id % 10000>/<id>/NAME."""
    parts = Path(relpath).parts
    return parts[-2] if len(parts) > 1 else ""
