"""Rounds of faults that a seed chooses; after each of them nothing is lost and nothing is left behind.

make chaos [SEED=n] [ROUNDS=n]
"""

from __future__ import annotations

import os
from pathlib import Path

import koji
import pytest

from tests.support.chaos import hub_settings, schedule
from tests.support.chaosscene import Scene
from tests.support.sandboxhub import running_hub

pytestmark = pytest.mark.e2e

SEED = int(os.environ.get("CHAOS_SEED") or 1)
ROUNDS = int(os.environ.get("CHAOS_ROUNDS") or 3)
FIRST = int(os.environ.get("CHAOS_FIRST") or 1)


@pytest.mark.parametrize("number", range(FIRST, FIRST + ROUNDS))
def test_a_round_of_random_faults_loses_nothing_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    planned = schedule(SEED, number)
    print(f"\nCHAOS_SEED={SEED}, round {number} (again: make chaos SEED={SEED} FIRST={number} ROUNDS=1)")
    kind = hub_settings(SEED, number)
    print(f"  hub {kind}\n" + "\n".join(f"  {place}. {fault}" for place, fault in enumerate(planned, 1)))
    with running_hub(tmp_path, **kind) as hub:
        scene = Scene(hub, tmp_path, clock=any(fault.kind == "clock" for fault in planned))
        try:
            scene.daemon.start()
            _usual_tasks(scene)
            for place, fault in enumerate(planned, 1):
                print(f"  now {place}. {fault}")
                fault.strike(scene)
            scene.check()
        finally:
            scene.close()
    print("\n".join(f"  left out: {reason}" for reason in scene.left_out))


def _usual_tasks(scene: Scene) -> None:
    """Something of each kind that needs no buildroot."""
    scene.make("sleep", 0)
    scene.make("sleep", 8)
    scene.make("fork", 2, 60)  # its children have to be ended
    scene.make("waittest", 2, 1)
    scene.make("someMethod", "in the daemon itself", result=42)
    scene.make("default", result=koji.GenericError("Invalid method"))
