"""Rounds of faults that a seed chooses, thrown at whole builds: each ends once, as it should, and nothing stays.

make chaos [SEED=n] [ROUNDS=n]
"""

from __future__ import annotations

import os
from typing import Iterator

import pytest

from tests.support.chaosbuilds import BuildSite, Round, build_site, schedule
from tests.support.mailserver import MailServer

pytestmark = [pytest.mark.root, pytest.mark.e2e]

SEED = int(os.environ.get("CHAOS_SEED") or 1)
ROUNDS = int(os.environ.get("CHAOS_ROUNDS") or 3)
FIRST = int(os.environ.get("CHAOS_FIRST") or 1)


@pytest.fixture(scope="module")
def site(machine: None, mails: MailServer) -> Iterator[BuildSite]:
    with build_site(mails.port) as made:
        yield made


@pytest.mark.parametrize("number", range(FIRST, FIRST + ROUNDS))
def test_a_build_ends_once_and_leaves_nothing_whatever_happens_to_it(site: BuildSite, number: int) -> None:
    planned = schedule(SEED, number)
    print(f"\nCHAOS_SEED={SEED}, round {number} (again: make chaos SEED={SEED} FIRST={number} ROUNDS=1)")
    print("\n".join(f"  {place}. {fault}" for place, fault in enumerate(planned, 1)))
    happening = Round(site, f"chaos-{SEED}-{number}")
    for fault in planned:
        fault.strike(happening)
    happening.check()
