"""How long it takes to delete what builds leave."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Callable

import koji.util

from bench.harness import Bench, Figure, Results, measures
from kojid.system.trees import remove_tree

_FILES, _IN_A_DIRECTORY = 200_000, 50


@measures(
    Figure(
        "delete-tree",
        "s",
        f"deletion of a tree of {_FILES:,} files in {_FILES // _IN_A_DIRECTORY:,} directories",
        peer="`koji.util.rmtree`, which goes by names and changes its working directory, in a child of its own",
        how="a tree of empty files on the file system of the working directory, just made; three samples",
        grows="with the files: most of it is the kernel's",
    )
)
def deletion(bench: Bench) -> Results:
    """A large tree, made anew for each sample."""
    count = bench.size(_FILES, small=500)
    top = bench.dir / "tree"
    return {
        "delete-tree": bench.pair(
            lambda: _delete(top, count, remove_tree),
            lambda: _delete(top, count, lambda path: koji.util.rmtree(str(path))),
            samples=3,  # to make a tree takes twenty times as long as to delete it
        )
    }


def _delete(top: Path, count: int, remove: Callable[[Path], None]) -> float:
    for number in range(count // _IN_A_DIRECTORY):
        directory = top / str(number % 40) / str(number)
        directory.mkdir(parents=True)
        for name in range(_IN_A_DIRECTORY):
            os.close(os.open(directory / f"file{name}", os.O_CREAT | os.O_WRONLY))
    begun = time.monotonic()
    remove(top)
    took = time.monotonic() - begun
    assert not top.exists()
    return took
