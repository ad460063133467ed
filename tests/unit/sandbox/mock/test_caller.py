"""Who may call, and on whose behalf."""

from __future__ import annotations

import grp
import os
import pwd
from typing import List

import pytest

from kojid.sandbox.mock import caller
from kojid.sandbox.mock.errors import Interrupted, MockError, NoPrivilege


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with group mock, whose member is user 1234, and this process root."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(grp, "getgrnam", lambda name: grp.struct_group((name, "x", 135, ["builder"])))

    def getpwuid(uid: int) -> pwd.struct_passwd:
        return pwd.struct_passwd(("builder" if uid == 1234 else "other", "x", uid, uid, "", "/", "/bin/sh"))

    monkeypatch.setattr(pwd, "getpwuid", getpwuid)


def test_the_wrapper_names_the_caller(machine: None) -> None:
    found = caller.identify({"USERHELPER_UID": "1234"})
    assert (found.uid, found.gid, found.build_uid) == (1234, 135, 1234)


def test_sudo_names_the_caller(machine: None) -> None:
    assert caller.identify({"SUDO_UID": "1234"}).uid == 1234


def test_root_builds_as_an_ordinary_user(machine: None) -> None:
    assert caller.identify({"USERHELPER_UID": "0"}).build_uid != 0


def test_root_alone_is_refused_with_status_1(machine: None) -> None:
    with pytest.raises(MockError) as refused:
        caller.identify({})
    assert refused.value.status == 1


def test_others_are_refused_with_status_2(machine: None) -> None:
    with pytest.raises(NoPrivilege) as refused:
        caller.identify({"USERHELPER_UID": "99"})
    assert refused.value.status == 2


def test_without_the_wrapper_the_status_is_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    with pytest.raises(NoPrivilege):
        caller.identify({"USERHELPER_UID": "0"})


@pytest.mark.parametrize(("number", "status"), [(2, 7), (15, 143), (1, 129)])
def test_statuses_of_signals(number: int, status: int) -> None:
    assert Interrupted(number).status == status


def test_a_child_answers_with_a_result_or_the_error() -> None:
    def fails() -> None:
        raise ValueError("no good")

    results: List[object] = [caller.in_child(lambda: {"pid": os.getpid() != 0, "at": ("a", 1)}), caller.in_child(fails)]
    assert results == [({"pid": True, "at": ["a", 1]}, ""), (None, "no good")]
