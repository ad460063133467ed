from __future__ import annotations

from typing import Any, Dict, List

import koji
import pytest

from kojid.tasks import dependant
from tests.support.faketask import ScriptedSession, Subtasks, make_handler


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dependant, "_FIRST_PAUSE", 0.001)


def states(**tasks: List[str]) -> Any:
    """Answers of getTaskInfo: for each task the states that it has one question after the other."""

    def answer(ids: List[int]) -> List[Any]:
        found: List[Any] = []
        for task_id in ids:
            left = tasks.get(f"t{task_id}", [])
            name = left.pop(0) if len(left) > 1 else (left[0] if left else None)
            found.append({"id": task_id, "state": koji.TASK_STATES[name]} if name else None)
        return found

    return answer


def run(session: ScriptedSession, options: Any, *params: Any) -> None:
    make_handler(dependant.DependantTask, "dependantTask", list(params), session, options).run()


def hub(subtasks: Subtasks, **tasks: List[str]) -> ScriptedSession:
    return ScriptedSession({"getTaskInfo": states(**tasks), **subtasks.answers()})


def test_tasks_start_when_the_others_have_ended(options: Any) -> None:
    subtasks = Subtasks({"a": None, "b": None})
    session = hub(subtasks, t1=["OPEN", "CLOSED"], t2=["CLOSED"])
    spawn: List[Any] = [["sleep", [1], {"label": "a", "priority": 15}], ["sleep", [2], {"label": "b"}]]
    run(session, options, [1, 2], spawn)
    assert subtasks.spawned == [
        {"method": "sleep", "arglist": [1], "parent": 305, "label": "a", "priority": 15},
        {"method": "sleep", "arglist": [2], "parent": 305, "label": "b"},
    ]
    assert session.arguments("host.taskSetWait") == [((305, [900, 901]), {})]


def test_options_of_a_task_are_optional(options: Any) -> None:
    subtasks = Subtasks({None: None})
    run(hub(subtasks), options, [], [["sleep", [2]]])
    assert subtasks.spawned == [{"method": "sleep", "arglist": [2], "parent": 305}]


def test_one_question_serves_all_tasks_and_ended_ones_are_not_asked_again(options: Any) -> None:
    session = hub(Subtasks({}), t1=["OPEN", "FREE", "CLOSED"], t2=["CLOSED"])
    run(session, options, [1, 2], [])
    assert [args[0] for args, _more in session.arguments("getTaskInfo")] == [[1, 2], [1], [1]]


def test_what_is_no_task_is_left_out_and_nothing_is_skipped_for_it(options: Any) -> None:
    """Two invalid entries in a row: the library's loop skips the second."""
    session = hub(Subtasks({}), t5=["CLOSED"])
    run(session, options, ["x", None, 98, 99, 5], [])
    assert session.arguments("getTaskInfo") == [(([98, 99, 5],), {})]


@pytest.mark.parametrize("state", ["FAILED", "CANCELED"])
def test_a_dependency_that_failed_fails_the_task(options: Any, state: str) -> None:
    session = hub(Subtasks({}), t1=["OPEN", state])
    with pytest.raises(koji.GenericError, match=r"^Dependency 1 failed to complete\.$"):
        run(session, options, [1], [["sleep", [1]]])
    assert "host.subtask" not in session.names


def test_nothing_to_wait_for_starts_at_once(options: Any) -> None:
    results: Dict[str, Any] = {"a": None}
    session = hub(Subtasks(results))
    run(session, options, [], [["sleep", [1], {"label": "a"}]])
    assert "getTaskInfo" not in session.names
