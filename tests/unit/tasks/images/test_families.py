"""The families of images are small, and say nothing twice: what two have in common belongs to the pipeline."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Dict, List, Set, Tuple

import kojid.tasks.images
from kojid.tasks import registry

PLACE = Path(kojid.tasks.images.__file__).parent
MOST_LINES = 300
BLOCK = 6


def families() -> Dict[str, List[str]]:
    """The modules that have handlers, with their lines."""
    modules = {handler.__module__ for handler in registry.handlers().values()}
    names = {name.rpartition(".")[2] for name in modules if name.startswith(f"{kojid.tasks.images.__name__}.")}
    return {name: (PLACE / f"{name}.py").read_text().splitlines() for name in sorted(names)}


def blocks(lines: List[str]) -> Set[Tuple[str, ...]]:
    """Each run of lines that are not empty, as often as it fits."""
    told = [line.strip() for line in lines if line.strip()]
    return {tuple(told[start : start + BLOCK]) for start in range(len(told) - BLOCK + 1)}


def test_no_family_is_large() -> None:
    assert {"livecd", "appliance", "livemedia"} <= set(families())
    assert {name: len(lines) for name, lines in families().items() if len(lines) > MOST_LINES} == {}


def test_no_two_families_repeat_a_block() -> None:
    told = {name: blocks(lines) for name, lines in families().items()}
    shared = {pair: told[pair[0]] & told[pair[1]] for pair in itertools.combinations(told, 2)}
    assert {pair: sorted(found) for pair, found in shared.items() if found} == {}
