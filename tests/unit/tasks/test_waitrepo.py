from __future__ import annotations

from typing import Any

import koji
import pytest

from kojid.tasks import waitrepo
from tests.support.faketask import REPO, TAG, ScriptedSession, make_handler, sequence

REQUEST = {"id": 2, "min_event": 150, "active": True, "task_id": None, "task_state": None, "repo_id": None, "tries": 0}
PENDING = {"repo": None, "request": REQUEST, "duplicate": False}


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waitrepo, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(waitrepo._Watcher, "_next_pause", 0.001)


def run(session: ScriptedSession, options: Any, *params: Any) -> Any:
    return make_handler(waitrepo.WaitrepoTask, "waitrepo", list(params), session, options).run()


def hub(**more: Any) -> ScriptedSession:
    found = {"repo": REPO, "request": None, "duplicate": False}
    return ScriptedSession({"getTag": TAG, "repo.request": found}, **more)


def test_a_repository_is_requested_and_waited_for(options: Any) -> None:
    session = hub(repo_request=PENDING, repo_checkRequest={"repo": REPO, "request": REQUEST})
    assert run(session, options, "demo-build", None, None, 150) == REPO
    assert session.names == sequence("waitrepo")
    assert session.arguments("repo.request") == [((2,), {"min_event": 150, "at_event": None, "opts": None})]


def test_the_request_is_asked_about_until_it_is_fulfilled(options: Any) -> None:
    checks = iter([{"repo": None, "request": REQUEST}] * 3 + [{"repo": REPO, "request": REQUEST}])
    session = hub(repo_request=PENDING, repo_checkRequest=checks)
    assert run(session, options, "demo-build") == REPO
    assert session.names.count("repo.checkRequest") == 4


def test_a_request_that_was_given_up_is_a_fault(options: Any) -> None:
    over = {**REQUEST, "active": False, "task_id": 55, "task_state": koji.TASK_STATES["FAILED"]}
    session = hub(repo_request=PENDING, repo_checkRequest={"repo": None, "request": over})
    with pytest.raises(koji.GenericError, match="Repo request inactive: task 55 state is FAILED"):
        run(session, options, "demo-build")


def test_now_means_the_last_change_of_the_tag(options: Any) -> None:
    session = hub(tagLastChangeEvent=180)
    run(session, options, "demo-build", "now")
    assert session.arguments("repo.request")[0][1]["min_event"] == 180


@pytest.mark.parametrize(("changed", "event"), [(181, 181), (None, 180)])
def test_a_time_means_the_first_change_after_it(options: Any, changed: Any, event: int) -> None:
    session = hub(getLastEvent={"id": 170, "ts": 1.0}, tagFirstChangeEvent=changed, tagLastChangeEvent=180)
    run(session, options, "demo-build", 1795376040.2)
    assert session.arguments("getLastEvent") == [((), {"before": 1795376040.2, "strict": False})]
    assert session.arguments("tagFirstChangeEvent") == [(("demo-build",), {"after": 170})]
    assert session.arguments("repo.request")[0][1]["min_event"] == event


def test_a_time_before_everything_is_taken_as_that(options: Any) -> None:
    session = hub(getLastEvent=None, tagFirstChangeEvent=3)
    run(session, options, "demo-build", 1.0)
    assert session.arguments("tagFirstChangeEvent") == [(("demo-build",), {"after": None})]


@pytest.mark.parametrize("newer_than", ["yesterday", [1], True])
def test_what_is_no_time_is_refused(options: Any, newer_than: Any) -> None:
    with pytest.raises(koji.GenericError, match="Invalid value for newer_than"):
        run(hub(), options, "demo-build", newer_than)


def test_an_event_and_a_time_together_are_refused(options: Any) -> None:
    with pytest.raises(koji.GenericError, match="newer_than and min_event"):
        run(hub(), options, "demo-build", "now", None, 5)


def test_builds_have_to_be_tagged_first(options: Any) -> None:
    tagged = iter([[], [], [{"version": "1", "release": "1"}], [{"version": "1", "release": "1"}]])
    session = hub(listTagged=tagged, tagLastChangeEvent=186)
    assert run(session, options, "demo-build", None, ["hello-1-1"]) == REPO
    assert session.names.count("listTagged") == 4


class TestOlderHubs:
    """Hubs up to 1.34: a repository is looked for until it is there."""

    TARGETS = [{"id": 1, "name": "demo"}]

    def hub(self, *repos: Any, **more: Any) -> ScriptedSession:
        answers = {"getTag": TAG, "getBuildTargets": self.TARGETS, "getRepo": iter(repos)}
        made = ScriptedSession(answers, **more)
        made.hub_version = (1, 33, 2)
        return made

    def test_the_first_one_will_do(self, options: Any) -> None:
        session = self.hub(None, None, REPO)
        assert run(session, options, "demo-build") == REPO
        assert session.names.count("getRepo") == 3
        assert session.arguments("getBuildTargets") == [((), {"buildTagID": 2})]

    def test_an_older_one_than_wished_will_not(self, options: Any) -> None:
        newer = {**REPO, "id": 5, "create_ts": REPO["create_ts"] + 100}
        session = self.hub(REPO, REPO, newer)
        assert run(session, options, "demo-build", REPO["create_ts"]) == newer

    def test_now_is_a_time(self, options: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("time.time", lambda: REPO["create_ts"] - 1)
        assert run(self.hub(REPO), options, "demo-build", "now") == REPO

    def test_builds_are_looked_for_in_each_new_one(self, options: Any) -> None:
        newer = {**REPO, "id": 5, "create_event": 190}
        tagged = iter([[], [{"version": "1", "release": "1"}]])
        session = self.hub(REPO, REPO, newer, listTagged=tagged)
        assert run(session, options, "demo-build", None, ["hello-1-1"]) == newer
        assert session.arguments("listTagged") == [
            ((2,), {"event": event, "package": "hello", "inherit": True}) for event in (186, 190)
        ]

    def test_a_tag_that_no_target_builds_from_will_never_have_one(self, options: Any) -> None:
        with pytest.raises(koji.GenericError, match="no target.* for tag demo-build"):
            run(self.hub(None, getBuildTargets=[]), options, "demo-build")

    def test_it_is_given_up_after_a_time(self, options: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(waitrepo.WaitrepoTask, "TIMEOUT", 0.0)
        with pytest.raises(koji.GenericError, match="no repo of demo-build came in 0 minutes"):
            run(self.hub(None), options, "demo-build")

    @pytest.mark.parametrize("newer_than", ["yesterday", [1], True])
    def test_what_is_no_time_is_refused(self, options: Any, newer_than: Any) -> None:
        with pytest.raises(koji.GenericError, match="Invalid value for newer_than"):
            run(self.hub(REPO), options, "demo-build", newer_than)
