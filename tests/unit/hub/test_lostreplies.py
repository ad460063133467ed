"""Calls whose reply got lost: the hub has done them, refuses to repeat them or does them twice, and is asked."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

import koji
import pytest
import requests

from kojid.hub import lostreplies
from kojid.hub.client import HubSession, HubUnreachable
from tests.support.fakehub import Answer, FakeHub, cut, drip, fault, reset, status, value

Serve = Callable[..., FakeHub]
SINFO: Dict[str, Any] = {"session-id": 7, "session-key": "7-key", "header-auth": True}
LOST = fault(1009, "unable to retry call 0 (method x) for session 1")
NOT_OURS = fault(1004, "host 4 does not own task 5")
OPEN, CLOSED, FREE = (koji.TASK_STATES[name] for name in ("OPEN", "CLOSED", "FREE"))
BUILDING, COMPLETE, FAILED = (koji.BUILD_STATES[name] for name in ("BUILDING", "COMPLETE", "FAILED"))


def open_session(hub: FakeHub, **opts: Any) -> HubSession:
    return HubSession(hub.url, {"max_retries": 3, "retry_interval": 60, **opts}, dict(SINFO))


def patient(hub: FakeHub, **opts: Any) -> HubSession:
    return open_session(hub, patient=True, **opts)


def numbers(hub: FakeHub) -> List[int]:
    return [int(one.headers["Koji-Session-Callnum"]) for one in hub.received]


def task(state: int = OPEN, host: Optional[int] = 4, **more: Any) -> Dict[str, Any]:
    return {"id": 5, "state": state, "host_id": host, "start_ts": 100.0, "weight": 1.0, "owner": 2, **more}


class Asked:
    """A hub whose first answers are scripted, and which answers questions about a task and what it made."""

    def __init__(self, serve: Serve, *first: Answer, **answers: Any) -> None:
        self.hub = serve()
        self.hub.script(*first)
        known: Dict[str, Any] = {"getTaskInfo": task(), "host.getID": 4}
        known.update({name.replace("host_", "host."): answer for name, answer in answers.items()})
        for name, answer in known.items():
            self.hub.method(name, lambda *_args, _answer=answer, **_kwargs: _answer)


@pytest.fixture(autouse=True)
def _no_pauses(naps: List[float]) -> None:
    pass


# -- hubs that refuse to repeat a call


@pytest.mark.parametrize(
    "name",
    [
        "cancelTaskChildren",
        "host.closeTask",
        "host.completeBuild",
        "host.failBuild",
        "host.failTask",
        "host.freeTasks",
        "host.moveBuildToScratch",
        "host.refuseTask",
        "host.repoDone",
        "host.setBuildRootList",
        "host.setBuildRootState",
        "host.setTaskWeight",
        "host.tagBuild",
        "host.tagNotification",
        "host.updateBuildRootList",
        "logoutChild",
    ],
)
def test_a_call_without_a_result_counts_as_done(serve: Serve, name: str) -> None:
    hub = serve()
    hub.script(reset(), LOST)
    assert patient(hub).callMethod(name, 1) is None
    assert hub.names() == [name, name]
    assert numbers(hub) == [0, 0]


@pytest.mark.parametrize("name", ["host.taskWaitResults", "host.repoInit", "subsession", "repo.request"])
def test_a_call_that_does_no_harm_twice_is_made_again_under_a_new_number(serve: Serve, name: str) -> None:
    hub = serve()
    hub.script(LOST, value(42))
    assert patient(hub).callMethod(name) == 42
    assert numbers(hub) == [0, 1]


def test_the_daemon_asks_for_a_second_subsession_at_once(serve: Serve) -> None:
    hub = serve()
    hub.script(cut(SINFO), LOST, value({**SINFO, "session-id": 9}))
    assert open_session(hub).subsession().sinfo["session-id"] == 9


@pytest.mark.parametrize("first", [cut(None), reset(), status(502)])
def test_a_task_that_the_hub_has_opened_here_is_ours(serve: Serve, first: Answer) -> None:
    asked = Asked(serve, first, LOST)
    assert open_session(asked.hub).host.openTask(5) == task()
    assert asked.hub.names() == ["host.openTask", "host.openTask", "getTaskInfo", "host.getID"]


@pytest.mark.parametrize("row", [task(host=3), task(FREE, None), task(koji.TASK_STATES["CANCELED"])])
def test_a_task_that_is_no_longer_ours_was_not_to_be_had(serve: Serve, row: Dict[str, Any]) -> None:
    asked = Asked(serve, LOST, getTaskInfo=row)
    assert open_session(asked.hub).host.openTask(5) is None


def test_a_labelled_subtask_is_found_by_its_label(serve: Serve) -> None:
    hub = serve()
    hub.script(reset(), LOST, value(42))
    assert patient(hub).host.subtask(method="sleep", arglist=[1], parent=5, label="x") == 42
    assert set(hub.names()) == {"host.subtask"}


def child(number: int, *request: Any, method: str = "sleep", ts: float = 101.0, label: Any = None) -> Dict[str, Any]:
    return {"id": number, "method": method, "request": list(request), "create_ts": ts, "label": label}


@pytest.mark.parametrize("call", ["subtask", "subtask2"])
def test_a_subtask_without_a_label_is_found_by_what_it_is_to_do(serve: Serve, call: str) -> None:
    asked_for = [1, ["a", {"b": None}], {"__starstar": True, "n": 2}]
    children = [
        child(20, *asked_for, ts=99.0),  # of an earlier run of the parent
        child(21, 2),
        child(22, *asked_for, method="other"),
        child(23, *asked_for, label="named"),
        child(24, *asked_for),
        child(25, 3),
    ]
    asked = Asked(serve, LOST, getTaskChildren=children)
    session = patient(asked.hub)
    if call == "subtask":
        found = session.host.subtask("sleep", [1, ("a", {"b": None})], 5, kwargs={"n": 2})
    else:
        found = session.host.subtask2(5, {"arch": "noarch"}, "sleep", 1, ("a", {"b": None}), n=2)
    assert found == 24


def test_of_two_equal_subtasks_the_second_is_not_the_first(serve: Serve) -> None:
    asked = Asked(serve, value(30), cut(31), LOST, getTaskChildren=[child(30, 1), child(31, 1)])
    session = patient(asked.hub)
    assert [session.host.subtask("sleep", [1], 5), session.host.subtask("sleep", [1], 5)] == [30, 31]


def test_a_subtask_that_can_not_be_found_is_a_fault(serve: Serve) -> None:
    asked = Asked(serve, LOST, getTaskChildren=[])
    with pytest.raises(koji.RetryError):
        patient(asked.hub).host.subtask("sleep", [1], 5)


def test_a_call_of_unknown_consequence_is_reported(serve: Serve) -> None:
    hub = serve()
    hub.script(LOST, value(42))
    with pytest.raises(koji.RetryError):
        patient(hub).host.somethingNew(1)


def buildroot(number: int, arch: str = "x86_64", repo: int = 3, ts: float = 101.0) -> Dict[str, Any]:
    return {"id": number, "arch": arch, "repo_id": repo, "create_ts": ts}


def test_a_buildroot_is_found_by_its_task(serve: Serve) -> None:
    rows = [buildroot(1, ts=50.0), buildroot(2), buildroot(3, "i686"), buildroot(4, repo=9)]
    asked = Asked(serve, cut(2), LOST, listBuildroots=rows)
    assert patient(asked.hub).host.newBuildRoot(3, "x86_64", task_id=5) == 2


def test_a_build_is_found_by_its_task(serve: Serve) -> None:
    rows = [{"build_id": 5, "state": FAILED}, {"build_id": 8, "state": BUILDING}]
    asked = Asked(serve, cut(8), LOST, listBuilds=rows)
    assert patient(asked.hub).host.initBuild({"name": "n", "task_id": 5}) == 8


def test_a_repo_is_found_by_its_task(serve: Serve) -> None:
    rows = [{"id": 7, "create_event": 70, "creation_ts": 50.0}, {"id": 8, "create_event": 80, "creation_ts": 101.0}]
    asked = Asked(serve, cut([8, 80]), LOST)
    asked.hub.method("repo.query", lambda *_, **__: rows)
    assert patient(asked.hub).host.repoInit(2, task_id=5, opts=None) == [8, 80]


def test_hubs_that_can_not_list_repos_make_another(serve: Serve) -> None:
    asked = Asked(serve, cut([8, 80]))
    asked.hub.method("host.repoInit", lambda *_, **__: [9, 90])
    assert patient(asked.hub).host.repoInit(2, task_id=5) == [9, 90]


# -- hubs that repeat calls silently (1.31 to 1.35.3)


def test_a_task_is_ours_although_it_can_not_be_opened_twice(serve: Serve) -> None:
    asked = Asked(serve, cut(task()), value(None))
    assert open_session(asked.hub).host.openTask(5) == task()


def test_another_hosts_task_is_not_taken_for_ours(serve: Serve) -> None:
    asked = Asked(serve, reset(), value(None), getTaskInfo=task(host=3))
    assert open_session(asked.hub).host.openTask(5) is None


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "table"),
    [
        ("host.subtask", ("sleep", [1], 5), {}, {"getTaskChildren": [child(24, 1)]}),
        ("host.newBuildRoot", (3, "x86_64"), {"task_id": 5}, {"listBuildroots": [buildroot(24)]}),
        ("host.initBuild", ({"task_id": 5},), {}, {"listBuilds": [{"build_id": 24, "state": BUILDING}]}),
    ],
)
def test_what_would_be_made_twice_is_looked_for_before_it_is_repeated(
    serve: Serve, name: str, args: Tuple[Any, ...], kwargs: Dict[str, Any], table: Dict[str, Any]
) -> None:
    asked = Asked(serve, status(502), **table)
    assert patient(asked.hub).callMethod(name, *args, **kwargs) == 24
    assert asked.hub.names().count(name) == 1


def test_what_was_not_made_is_asked_for_again_under_its_number(serve: Serve) -> None:
    asked = Asked(serve, status(502), listBuildroots=[])
    asked.hub.method("host.newBuildRoot", lambda *_, **__: 25)
    assert patient(asked.hub).host.newBuildRoot(3, "x86_64", task_id=5) == 25
    sent = [one.headers["Koji-Session-Callnum"] for one in asked.hub.received if one.name == "host.newBuildRoot"]
    assert sent == ["0", "0"]


def test_nothing_is_made_again_before_the_hub_could_be_asked(serve: Serve) -> None:
    asked = Asked(serve, status(502), status(503), fault(1014, "offline"), listBuildroots=[buildroot(24)])
    session = patient(asked.hub, max_retries=9, offline_retry=True)
    assert session.host.newBuildRoot(3, "x86_64", task_id=5) == 24
    assert asked.hub.names() == ["host.newBuildRoot", *["listBuildroots"] * 3, "getTaskInfo"]


def test_a_session_renewed_by_a_question_goes_on_with_its_new_key(serve: Serve) -> None:
    renewed = {**SINFO, "session-key": "new"}
    asked = Asked(serve, status(502), fault(1007, "expired"), value(renewed), value([]))
    asked.hub.method("host.newBuildRoot", lambda *_, **__: 26)
    opts = {"user": "u", "password": "p", "patient": True, "max_retries": 3}
    session = HubSession(asked.hub.url, opts, dict(SINFO), {"method": "login", "kwargs": {}})
    asked.hub.method("getTaskInfo", lambda *_, **__: task())
    found = session.host.newBuildRoot(3, "x86_64", task_id=5)
    sent = [one for one in asked.hub.received if one.name == "host.newBuildRoot"]
    assert [one.headers["Koji-Session-Key"] for one in sent] == ["7-key", "new"]
    assert [one.headers["Koji-Session-Callnum"] for one in sent] == ["0", "0"]
    assert found == 26


@pytest.mark.parametrize(
    ("name", "args", "refusal", "table"),
    [
        ("host.closeTask", (5, "x"), NOT_OURS, {"getTaskInfo": task(CLOSED)}),
        ("host.failTask", (5, "x"), NOT_OURS, {"getTaskInfo": task(koji.TASK_STATES["FAILED"])}),
        ("host.completeBuild", (5, 8, "s", []), fault(1000, "no"), {"getBuild": {"state": COMPLETE, "task_id": 5}}),
        ("host.failBuild", (5, 8), fault(1000, "no"), {"getBuild": {"state": FAILED, "task_id": 5}}),
        ("host.repoDone", (3, {}), fault(1000, "not in INIT state"), {"repoInfo": {"state": koji.REPO_READY}}),
        ("host.repoDone", (3, {}), fault(1000, "not in INIT state"), {"repoInfo": {"state": koji.REPO_EXPIRED}}),
        ("host.tagBuild", (5, 1, 8), fault(1008, "already tagged"), {"listTags": [{"id": 1, "name": "demo"}]}),
        ("host.setBuildRootList", (2, []), fault(1, "duplicate key"), {"getBuildrootListing": [{"rpm_id": 1}]}),
        ("exclusiveSession", (), fault(1000, "session is already exclusive"), {"getSessionInfo": {"exclusive": True}}),
    ],
)
def test_a_repetition_that_fails_on_what_was_done_is_no_failure(
    serve: Serve, name: str, args: Tuple[Any, ...], refusal: Answer, table: Dict[str, Any]
) -> None:
    if refusal.value[0] == 1008:
        refusal = fault(koji.TagError.faultCode, refusal.value[1])
    asked = Asked(serve, status(502), refusal, **table)
    assert patient(asked.hub).callMethod(name, *args) is None


@pytest.mark.parametrize(
    ("name", "args", "table"),
    [
        ("host.closeTask", (5, "x"), {"getTaskInfo": task(koji.TASK_STATES["CANCELED"])}),
        ("host.closeTask", (5, "x"), {"getTaskInfo": task(CLOSED, 3)}),
        ("host.completeBuild", (5, 8, "s", []), {"getBuild": {"state": BUILDING, "task_id": 5}}),
        ("host.completeBuild", (5, 8, "s", []), {"getBuild": {"state": COMPLETE, "task_id": 6}}),
        ("host.repoDone", (3, {}), {"repoInfo": {"state": koji.REPO_INIT}}),
        ("host.tagBuild", (5, 1, 8), {"listTags": []}),
    ],
)
def test_a_repetition_that_fails_otherwise_fails(
    serve: Serve, name: str, args: Tuple[Any, ...], table: Dict[str, Any]
) -> None:
    asked = Asked(serve, status(502), fault(1000, "refused"), **table)
    with pytest.raises(koji.GenericError, match="refused"):
        patient(asked.hub).callMethod(name, *args)


def test_a_first_refusal_is_believed(serve: Serve) -> None:
    asked = Asked(serve, NOT_OURS, getTaskInfo=task(CLOSED))
    with pytest.raises(koji.ActionNotAllowed):
        patient(asked.hub).host.closeTask(5, "x")
    assert asked.hub.names() == ["host.closeTask"]


# -- scratch builds: no call tells, the volume does


class _Volume(BaseHTTPRequestHandler):
    present: List[str] = []

    def do_HEAD(self) -> None:
        self.send_response(200 if self.path in self.present else 404)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def topurl(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    top = "/scratch/admin/task_5"
    monkeypatch.setattr(_Volume, "present", [f"{top}/{name}" for name in ("a.src.rpm", "a.rpm", "logs/x86_64/b.log")])
    server = HTTPServer(("127.0.0.1", 0), _Volume)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.mark.parametrize(("rpms", "moved"), [(["w/a.rpm", "v/a.rpm"], True), (["w/a.rpm", "w/b.rpm"], False)])
def test_a_scratch_build_is_looked_for_on_the_volume(serve: Serve, topurl: str, rpms: List[str], moved: bool) -> None:
    asked = Asked(serve, status(502), fault(1000, "Destination exists"), getUser={"name": "admin"})
    session = patient(asked.hub, topurl=topurl)

    def move() -> Any:
        return session.host.moveBuildToScratch(5, "w/a.src.rpm", rpms, logs={"x86_64": ["w/b.log"]})

    if moved:
        assert move() is None
    else:
        with pytest.raises(koji.GenericError, match="Destination exists"):
            move()


IMAGE: Dict[str, Any] = {"task_id": 5, "files": ["a.rpm"], "logs": ["logs/x86_64/b.log"]}


@pytest.mark.parametrize(
    ("image", "moved"),
    [
        (IMAGE, True),
        ({**IMAGE, "files": ["b.iso"]}, False),
        ({**IMAGE, "rpmresults": {"srpm": "w.src.rpm", "rpms": [], "logs": []}}, False),
    ],
)
def test_a_scratch_image_is_looked_for_on_the_volume(
    serve: Serve, topurl: str, image: Dict[str, Any], moved: bool
) -> None:
    asked = Asked(serve, status(502), fault(1000, "file missing"), getUser={"name": "admin"})
    session = patient(asked.hub, topurl=topurl)
    results = {"x86_64": image, "s390x": {"faultCode": 1000, "faultString": "failed and may"}}
    if moved:
        assert session.host.moveImageBuildToScratch(5, results) is None
    else:
        with pytest.raises(koji.GenericError, match="file missing"):
            session.host.moveImageBuildToScratch(5, results)


def test_the_image_build_that_a_task_has_begun_is_found_instead_of_the_next_release(serve: Serve) -> None:
    begun = {"id": 24, "release": "3"}
    asked = Asked(serve, reset(), listBuilds=[{"build_id": 24, "state": BUILDING}], getBuild=begun)
    assert patient(asked.hub).host.initImageBuild(5, {"name": "disc", "release": None}) == begun
    assert asked.hub.names().count("host.initImageBuild") == 1


# -- call numbers, expiry, time


def test_a_number_that_the_hub_has_passed_is_followed_by_a_later_one(serve: Serve) -> None:
    hub = serve()
    hub.script(fault(koji.SequenceError.faultCode, "41 > 0 (session 7)"), value("tag"))
    hub.method("echo", lambda *args: list(args))
    session = open_session(hub)
    assert session.getTag(1) == "tag"
    session.echo()
    assert numbers(hub) == [0, 42, 43]


def test_a_hub_that_never_likes_the_number_is_told(serve: Serve) -> None:
    hub = serve()
    hub.script(*[fault(koji.SequenceError.faultCode, "no")] * 10)
    with pytest.raises(koji.SequenceError):
        open_session(hub).getTag(1)
    assert len(hub.received) < 10


def test_a_session_that_expires_while_a_reply_is_lost_is_renewed_and_the_hub_asked(serve: Serve) -> None:
    asked = Asked(serve, reset(), fault(1007, "expired"), value(SINFO), getTaskInfo=task(CLOSED))
    opts = {"user": "u", "password": "p", "patient": True, "max_retries": 3}
    session = HubSession(asked.hub.url, opts, dict(SINFO), {"method": "login", "kwargs": {}})
    assert session.host.closeTask(5, "x") is None
    assert asked.hub.names() == ["host.closeTask", "host.closeTask", "login", "getTaskInfo", "host.getID"]


@pytest.mark.parametrize("daemons", [True, False])
def test_an_answer_that_drips_in_is_given_up_in_time(serve: Serve, daemons: bool) -> None:
    hub = serve()
    hub.script(*[drip("a tag", 0.05)] * 2)
    started = time.monotonic()
    session = open_session(hub, timeout=0.3, patient=not daemons, max_retries=0)
    with pytest.raises(requests.exceptions.ConnectionError if daemons else HubUnreachable):
        session.getTag(1)
    assert 0.25 < time.monotonic() - started < (1.2 if daemons else 3)


def test_a_slow_answer_is_awaited(serve: Serve) -> None:
    hub = serve()
    hub.script(drip("a tag", 0.005))
    assert open_session(hub, timeout=5).getTag(1) == "a tag"


def test_every_rule_that_asks_first_asks(serve: Serve) -> None:
    assert all(rule.ask for rule in lostreplies._RULES.values() if rule.first)
