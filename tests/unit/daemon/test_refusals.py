"""Tasks that this host does not want, on hubs that keep that and on hubs that do not (contract 4.5)."""

from __future__ import annotations

from unittest.mock import Mock

from kojid.daemon.schedule.refusals import HARD_SECONDS, SOFT_SECONDS, Refusals


class Site:
    def __init__(self, *hub: int) -> None:
        self.now = 1000.0
        self.session = Mock(hub_version=hub)
        self.refusals = Refusals(self.session, lambda: self.now)


def test_a_hub_with_a_scheduler_keeps_the_refusals() -> None:
    site = Site(1, 34)
    site.refusals.refuse(7, "no", soft=False, opened=True)
    site.session.host.refuseTask.assert_called_once_with(7, soft=False, msg="no")
    site.session.host.freeTasks.assert_not_called()
    assert not site.refusals.in_force(7)


def test_for_an_older_hub_a_soft_refusal_is_remembered_for_a_while() -> None:
    site = Site(1, 33, 2)
    site.refusals.refuse(7, "not now")
    assert site.refusals.in_force(7)
    assert not site.refusals.in_force(8)
    assert not site.refusals.in_force(7, assigned=True)  # somebody wants it here
    site.now += SOFT_SECONDS
    assert not site.refusals.in_force(7)


def test_for_an_older_hub_a_hard_refusal_holds_longer_and_against_assignments() -> None:
    site = Site(1, 33, 2)
    site.refusals.refuse(7, "never", soft=False)
    site.now += SOFT_SECONDS
    assert site.refusals.in_force(7, assigned=True)
    site.now += HARD_SECONDS
    assert not site.refusals.in_force(7)


def test_only_opened_tasks_are_given_back() -> None:
    site = Site(1, 33, 2)
    site.refusals.refuse(7, "not now")
    site.session.host.freeTasks.assert_not_called()
    site.refusals.refuse(8, "not now", opened=True)
    site.session.host.freeTasks.assert_called_once_with([8])
