from __future__ import annotations

import os
import signal
import time
from typing import Any, ClassVar, List

import koji
import pytest

from kojid.tasks import waiting
from kojid.tasks.base import BaseTaskHandler
from tests.support.faketask import ScriptedSession, task_options


class Parent(BaseTaskHandler):
    Methods: ClassVar[List[str]] = ["parent"]


def parent(session: ScriptedSession, tmp_path: Any) -> Parent:
    return Parent(7, "parent", [], session, task_options(tmp_path))


def results(_task: int, ids: List[int], canfail: Any = None) -> List[List[Any]]:
    return [[task_id, f"result {task_id}"] for task_id in ids]


def test_one_subtask_is_waited_for(tmp_path: Any) -> None:
    session = ScriptedSession(host_taskSetWait=None, host_taskWait=[[8], []], host_taskWaitResults=results)
    assert parent(session, tmp_path).wait(8) == {8: "result 8"}
    assert session.calls == [
        ("host.taskSetWait", (7, [8]), {}),
        ("host.taskWait", (7,), {}),
        ("host.taskWaitResults", (7, [8]), {"canfail": None}),
    ]


def test_a_wakeup_between_the_question_and_the_sleep_is_not_lost(tmp_path: Any) -> None:
    """The moment that the library's wait misses: the subtask ends just after the hub has said that it has not."""

    def first_answer(_task: int) -> Any:
        os.kill(os.getpid(), signal.SIGUSR2)
        return [[], [8]]

    answers = iter([first_answer, [[8], []]])
    session = ScriptedSession(host_taskSetWait=None, host_taskWait=answers, host_taskWaitResults=results)
    handler = parent(session, tmp_path)
    started = time.monotonic()
    assert handler.wait(8) == {8: "result 8"}
    assert time.monotonic() - started < waiting.RECHECK_SECONDS / 2


def test_the_hub_is_asked_again_even_if_no_wakeup_comes(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "RECHECK_SECONDS", 0.01)
    answers = iter([[[], [8]], [[], [8]], [[8], []]])
    session = ScriptedSession(host_taskSetWait=None, host_taskWait=answers, host_taskWaitResults=results)
    assert parent(session, tmp_path).wait(8) == {8: "result 8"}


def test_the_first_of_several_is_enough(tmp_path: Any) -> None:
    session = ScriptedSession(host_taskSetWait=None, host_taskWait=[[9], [8]], host_taskWaitResults=results)
    assert parent(session, tmp_path).wait([8, 9]) == {9: "result 9"}


def test_a_subtask_of_which_the_hub_told_in_a_lost_reply_is_not_lost(tmp_path: Any) -> None:
    session = ScriptedSession(host_taskSetWait=None, host_taskWait=[[], []], host_taskWaitResults=results)
    assert parent(session, tmp_path).wait(8) == {8: "result 8"}


def test_all_are_waited_for(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "RECHECK_SECONDS", 0.01)
    answers = iter([[[9], [8]], [[8], []]])
    session = ScriptedSession(host_taskSetWait=None, host_taskWait=answers, host_taskWaitResults=results)
    assert parent(session, tmp_path).wait([8, 9], all=True) == {8: "result 8", 9: "result 9"}


def test_a_failure_cancels_the_others_and_is_raised(tmp_path: Any) -> None:
    session = ScriptedSession(
        host_taskSetWait=None,
        host_taskWait=[[9], [8]],
        getTaskResult=koji.BuildError("it broke"),
        cancelTaskChildren=None,
    )
    with pytest.raises(koji.BuildError, match="it broke"):
        parent(session, tmp_path).wait([8, 9], all=True, failany=True)
    assert session.calls[-1] == ("cancelTaskChildren", (7,), {})


def test_a_task_that_can_fail_is_not_asked_for_its_result(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "RECHECK_SECONDS", 0.01)
    answers = iter([[[9], [8]], [[8], []]])
    session = ScriptedSession(host_taskSetWait=None, host_taskWait=answers, host_taskWaitResults=results)
    parent(session, tmp_path).wait([8, 9], all=True, failany=True, canfail=[9])
    assert "getTaskResult" not in session.names
    assert session.arguments("host.taskWaitResults") == [((7, [8, 9]), {"canfail": [9]})]


def test_a_time_limit_is_kept_and_the_children_are_canceled(tmp_path: Any) -> None:
    session = ScriptedSession(host_taskSetWait=None, host_taskWait=[[], [8]], cancelTaskChildren=None)
    started = time.monotonic()
    with pytest.raises(koji.GenericError, match=r"Subtasks timed out after 0\.\d seconds"):
        parent(session, tmp_path).wait(8, timeout=0.05)
    assert time.monotonic() - started < 5
    assert session.names[-1] == "cancelTaskChildren"


def test_wakeups_do_not_stretch_the_time_limit(tmp_path: Any) -> None:
    def noise(_task: int) -> Any:
        os.kill(os.getpid(), signal.SIGUSR2)
        return [[], [8]]

    session = ScriptedSession(host_taskSetWait=None, host_taskWait=noise, cancelTaskChildren=None)
    with pytest.raises(koji.GenericError, match="timed out"):
        parent(session, tmp_path).wait(8, timeout=0.05)


def test_all_children_are_meant_when_none_are_named(tmp_path: Any) -> None:
    session = ScriptedSession(host_taskSetWait=None, host_taskWait=[[8], []], host_taskWaitResults=[[8, None]])
    assert parent(session, tmp_path).wait(all=True) == {8: None}
    assert session.arguments("host.taskWaitResults") == [((7, None), {"canfail": None})]
