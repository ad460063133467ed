"""Which arches a package is built for, and which host may do it: pure functions over tag arches and headers.

Contract 6.2. `build` asks them; nothing here talks to the hub.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any, Iterable, List, Optional, Sequence, Tuple

import koji


@dataclass(frozen=True)
class ArchHeaders:
    """What a source package says about arches; empty where it says nothing.

    Args:
        buildarchs: its `BuildArch`.
        exclusivearch: its `ExclusiveArch`.
        excludearch: its `ExcludeArch`.
    """

    buildarchs: Tuple[str, ...] = ()
    exclusivearch: Tuple[str, ...] = ()
    excludearch: Tuple[str, ...] = ()

    @classmethod
    def of(cls, header: Any) -> ArchHeaders:
        """Those of an rpm header."""
        names = ("buildarchs", "exclusivearch", "excludearch")
        return cls(*(tuple(koji.get_header_field(header, name) or ()) for name in names))


def canonical(arches: Iterable[str]) -> List[str]:
    """The arches' canonical names, in order, once each."""
    return list(dict.fromkeys(koji.canonArch(arch) for arch in arches))


def build_arches(
    tag_arches: Sequence[str], extra: Sequence[str], headers: ArchHeaders, override: Sequence[str] = ()
) -> List[str]:
    """The arches to build a package for.

    Args:
        tag_arches: the build tag's arches as they are written there.
        extra: the package's extra arches in the destination tag.
        headers: of the source package.
        override: what the user asks for instead; only scratch builds may.

    Returns:
        each arch once; the first one keeps the source package.

    Raises:
        koji.BuildError: none is left.
    """
    supported = set(canonical(tag_arches))
    wanted = list(override) or _from_headers([*tag_arches, *extra], headers)
    kept = [arch for arch in dict.fromkeys(wanted) if arch == "noarch" or koji.canonArch(arch) in supported]
    if not kept:
        raise koji.BuildError("No matching arches were found")
    return kept


def _from_headers(arches: List[str], headers: ArchHeaders) -> List[str]:
    wanted = list(headers.buildarchs) or arches
    if headers.exclusivearch:
        wanted = [arch for arch in wanted if arch in headers.exclusivearch]
    wanted = [arch for arch in wanted if arch not in headers.excludearch]
    # ExclusiveArch often names real arches only, to say where a noarch package may be built.
    if "noarch" not in headers.excludearch and "noarch" in (*headers.buildarchs, *headers.exclusivearch):
        wanted.append("noarch")
    return wanted


def matches_literally(arch: str, patterns: str) -> bool:
    """Whether the option `literal_task_arches` (globs, separated by blanks) keeps this arch as it is."""
    return any(fnmatch(arch, pattern) for pattern in patterns.split())


def noarch_choices(
    tag_arches: Sequence[str], noarch_arches: Optional[str], headers: ArchHeaders
) -> Optional[List[str]]:
    """Where a noarch package may be built when not everywhere.

    Args:
        tag_arches: the build tag's arches.
        noarch_arches: the tag extra of this name, arches separated by blanks, None when not set.
        headers: of the source package; empty ones when it is not known yet.

    Returns:
        canonical arches to choose from, or None: any host of the tag's arches will do.

    Raises:
        koji.BuildError: no arch is left.
    """
    everywhere = canonical(tag_arches)
    exclusive, excluded = canonical(headers.exclusivearch), canonical(headers.excludearch)
    choices = everywhere
    if noarch_arches:
        allowed = canonical(noarch_arches.split())
        choices = [arch for arch in allowed if arch in everywhere]
    if exclusive:
        choices = [arch for arch in choices if arch in exclusive]
    choices = [arch for arch in choices if arch not in excluded]
    if not choices:
        raise koji.BuildError(
            f"No valid arches were found. tag {everywhere!r}, extra {noarch_arches!r}, "
            f"exclusive {exclusive!r}, exclude {excluded!r}"
        )
    return None if set(choices) == set(everywhere) else choices
