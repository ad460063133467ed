"""The sandbox hub's answers have the keys and types of a real hub's, for every recorded call of a daemon or client.

For each recorded call an equivalent one is made: the same method and form of arguments, with numbers that mean the
same here. `World` is the hub in a state as the recorded one was in.
"""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

import koji
import pytest

from kojid.sandbox.hub.content import bootstrap
from kojid.sandbox.hub.kernel import METHODS, Kernel, Request, Session
from kojid.sandbox.hub.settings import HostSetting
from tests.support import sandboxhub
from tests.support.sandboxhub import Caller
from tests.unit.sandbox.hub_content import shapes, tinyrpm
from tests.unit.sandbox.hub_content.tinyrpm import TinyRpms

pytestmark = pytest.mark.e2e
CAPTURES = Path(__file__).parents[1] / "data" / "captures"
NIL = koji.xmlrpcplus.dumps((None,), methodresponse=1, allow_none=True)
Example = Dict[str, Any]
Equivalent = Callable[["World", List[Any], Dict[str, Any], Example], Any]
#: Method -> how its recorded calls are made here; methods that are not named are called as they were recorded.
EQUIVALENTS: Dict[str, Equivalent] = {}


def like(*methods: str) -> Callable[[Equivalent], Equivalent]:
    """Make the recorded calls of these methods in the decorated way."""

    def register(function: Equivalent) -> Equivalent:
        EQUIVALENTS.update(dict.fromkeys(methods, function))
        return function

    return register


class World:
    """A hub with what the recorded one had: tags demo (1) and demo-build (2), the target demo, the build hello-1.0-1,
    a repo, a builder at work."""

    def __init__(self, kernel: Kernel, rpms: TinyRpms) -> None:
        self.kernel, self.rpms = kernel, rpms
        self.admin = Caller(kernel, "admin")
        self.builder = Caller(kernel, "builder", exclusive=True)
        self.admin("createTag", "demo")
        self.admin("createTag", "demo-build", parent="demo", arches="x86_64", extra={"mock.use_bootstrap": False})
        self.admin("createBuildTarget", "demo", "demo-build", "demo")
        self.admin("createExternalRepo", "e2e-distro", "file:///srv/ext/$arch/")
        session = Session(0, 1, "admin", koji.AUTHTYPES["SSL"], permissions=["admin"])
        with kernel.transaction(Request(), session) as ctx:
            bootstrap.import_distribution(ctx, [rpms.srpm, *rpms.rpms], "demo", {})
        self.builder("host.updateHost", 0.0, True, data={"methods": [], "maxjobs": 10})
        self.repo = self.new_repo(2)
        self.event = self.admin("getLastEvent")["id"]
        self.releases = 1

    def task(self, method: str = "sleep", params: Any = (1,), state: str = "open", **opts: Any) -> int:
        """A task, open on the builder, or free."""
        task_id = int(self.admin("makeTask", method, list(params), **opts))
        if state == "open":
            self.builder("host.openTask", task_id)
        return task_id

    def subtask(self, parent: int, label: str = "x86_64", awaited: bool = True) -> int:
        task_id = int(self.builder("host.subtask", "buildArch", ["x"], parent, label=label, arch="x86_64"))
        self.builder("host.openTask", task_id)
        if awaited:
            self.builder("host.taskSetWait", parent, [task_id])
        return task_id

    def close(self, task_id: int, result: Any = None) -> None:
        self.builder("host.closeTask", task_id, koji.xmlrpcplus.dumps((result,), methodresponse=1, allow_none=True))

    def new_repo(self, tag_id: int) -> int:
        task_id = self.task("newRepo", [tag_id])
        repo_id, _event = self.builder("host.repoInit", tag_id, opts={}, task_id=task_id)
        self.builder("host.repoDone", repo_id, {})
        self.close(task_id, [repo_id, 1])
        return int(repo_id)

    def fresh_tag(self) -> str:
        """A tag without a repo."""
        name = f"tag-{self.admin('getLastEvent')['id']}"
        self.admin("createTag", name, arches="x86_64")
        return name

    def root(self, state: str = "INIT") -> int:
        task_id = self.task("buildArch", ["x"])
        root_id = int(self.builder("host.newBuildRoot", self.repo, "x86_64", task_id=task_id))
        if state != "INIT":
            self.builder("host.setBuildRootState", root_id, state)
        return root_id

    def begun(self) -> Tuple[int, int, str]:
        """A build task, its build under way and its version-release."""
        self.releases += 1
        task_id = self.task("build", ["x", "demo", {}])
        data = {"name": "hello", "version": "1.0", "release": str(self.releases), "epoch": None}
        extra = {"source": {"original_url": "hello.src.rpm"}}
        build = self.builder("host.initBuild", {**data, "task_id": task_id, "source": "hello.src.rpm", "extra": extra})
        return task_id, int(build), f"1.0-{self.releases}"

    def put(self, task_id: int, path: Path) -> str:
        relpath = f"{koji.pathinfo.taskrelpath(task_id)}/{path.name}"
        target = Path(self.kernel.settings.pathinfo.work(), relpath)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        return relpath

    def built(self, directory: Path) -> Tuple[int, int, List[str]]:
        """A build task, its build under way, and its uploaded files, the source first."""
        task_id, build, version = self.begun()
        made = tinyrpm.build(directory / version, name="hello", release=version.split("-")[1])
        return task_id, build, [self.put(task_id, path) for path in (made.srpm, *made.rpms)]


@pytest.fixture(scope="module")
def hello(tmp_path_factory: pytest.TempPathFactory) -> TinyRpms:
    return tinyrpm.build(tmp_path_factory.mktemp("hello"), name="hello")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, hello: TinyRpms) -> Iterator[World]:
    hosts = (HostSetting("builder", channels=("default", "createrepo")),)
    kernel = sandboxhub.kernel_for_tests(tmp_path_factory.mktemp("world"), hosts=hosts)
    yield World(kernel, hello)
    kernel.store.close()


def _examples() -> Dict[str, List[Example]]:
    return {path.stem: json.loads(path.read_text())["examples"] for path in sorted(CAPTURES.glob("*.json"))}


EXAMPLES = _examples()
CASES = [
    pytest.param(name, number, id=f"{name}-{number}") for name in EXAMPLES for number in range(len(EXAMPLES[name]))
]


@pytest.mark.parametrize(("method", "number"), CASES)
def test_an_answer_is_shaped_as_the_recorded_one(world: World, method: str, number: int) -> None:
    example = EXAMPLES[method][number]
    args, kwargs = koji.decode_args(*(example["params"] or []))
    equivalent = EQUIVALENTS.get(method, _as_recorded)
    if "fault" in example:
        with pytest.raises((koji.GenericError, koji.xmlrpcplus.Fault)) as raised:
            equivalent(world, list(args), kwargs, {**example, "method": method})
        assert _fault(raised.value) == _without_numbers(example["fault"])
        return
    answer = equivalent(world, list(args), kwargs, {**example, "method": method})
    known = shapes.types([other["result"] for other in EXAMPLES[method] if "fault" not in other])
    assert shapes.differences(example["result"], answer, known) == []


def test_every_recorded_method_is_one_of_the_hub() -> None:
    assert set(EXAMPLES) - set(METHODS) == set()


def _fault(error: Any) -> Tuple[int, str]:
    text = error.faultString if isinstance(error, koji.xmlrpcplus.Fault) else str(error)
    return _without_numbers({"faultCode": error.faultCode, "faultString": text})


def _without_numbers(fault: Dict[str, Any]) -> Tuple[int, str]:
    return fault["faultCode"], re.sub(r"\d+", "N", fault["faultString"])


def _as_recorded(world: World, args: List[Any], kwargs: Dict[str, Any], example: Example) -> Any:
    """The call as it was recorded, with this hub's numbers for events and hosts."""
    numbers = {"event": world.event, "hostID": 1, "channelID": 1}
    known = {key: numbers.get(key, value) if value is not None else None for key, value in kwargs.items()}
    return world.builder(example["method"], *args, **known)


@like("getChangelogEntries")
def _changelog(world: World, _args: List[Any], kwargs: Dict[str, Any], _example: Example) -> Any:
    """Of a build whose SRPM has none."""
    return world.admin("getChangelogEntries", world.begun()[1], **kwargs)


@like("getBuild", "getUser", "getHost", "getChannel", "repoInfo")
def _number_one(world: World, _args: List[Any], kwargs: Dict[str, Any], example: Example) -> Any:
    return world.admin(example["method"], 1, **kwargs)


@like("getTag", "getBuildConfig", "getExternalRepoList")
def _of_a_tag(world: World, args: List[Any], kwargs: Dict[str, Any], example: Example) -> Any:
    if args[0] == 5 or example["result"] == []:
        args = [world.fresh_tag()]
    elif example["method"] == "getExternalRepoList":
        world.admin("addExternalRepoToTag", "demo-build", "e2e-distro", 5)
    now = world.admin("getLastEvent")["id"]
    events = {key: None if value is None else now for key, value in kwargs.items() if key == "event"}
    return world.builder(example["method"], *args, **{**kwargs, **events})


@like("getRepo")
def _repo(world: World, args: List[Any], kwargs: Dict[str, Any], example: Example) -> Any:
    tag = world.fresh_tag() if example["result"] is None and not kwargs else args[0]
    return world.builder("getRepo", tag, **kwargs)


@like("repo.request")
def _request(world: World, args: List[Any], kwargs: Dict[str, Any], example: Example) -> Any:
    tag: Any = args[0]
    if example["result"]["request"] is not None:
        tag = world.fresh_tag()
        kwargs = {**kwargs, "min_event": world.admin("getLastEvent")["id"]}
        if example["result"]["duplicate"]:
            world.builder("repo.request", tag, **kwargs)
    return world.builder("repo.request", tag, **kwargs)


@like("repo.checkRequest")
def _check(world: World, _args: List[Any], _kwargs: Dict[str, Any], _example: Example) -> Any:
    tag = world.fresh_tag()
    request = world.builder("repo.request", tag, min_event="last")["request"]
    world.builder("host.openTask", request["task_id"])
    repo_id, _event = world.builder("host.repoInit", tag, opts={}, task_id=request["task_id"])
    world.builder("host.repoDone", repo_id, {})
    world.close(request["task_id"], [repo_id, 1])
    return world.builder("repo.checkRequest", request["id"])


@like("getAverageBuildDuration")
def _duration(world: World, _args: List[Any], kwargs: Dict[str, Any], example: Example) -> Any:
    if example["result"] is not None:
        _task, build, _version = world.begun()
        with world.kernel.store.writing() as db:
            db.update("build", {"id": build}, state=1, completion_time=world.admin("getBuild", build)["start_ts"] + 9)
    return world.builder("getAverageBuildDuration", "hello" if example["result"] else "unheard-of", **kwargs)


@like("getTaskInfo")
def _task_info(world: World, args: List[Any], kwargs: Dict[str, Any], example: Example) -> Any:
    parent = world.task("build", ["x", "demo", {}])
    recorded = example["result"][0] if isinstance(example["result"], list) else example["result"]
    task_id = parent if recorded["parent"] is None else world.subtask(parent)
    if recorded["completion_ts"] is not None:
        world.close(task_id)
    return world.builder("getTaskInfo", [task_id] if isinstance(args[0], list) else task_id, **kwargs)


@like("getTaskChildren", "getTaskRequest", "taskFinished", "listTaskOutput")
def _of_a_task(world: World, _args: List[Any], kwargs: Dict[str, Any], example: Example) -> Any:
    params = example["result"] if example["method"] == "getTaskRequest" else ["x", "demo", {}]
    task_id = world.task("build", params)
    if example["method"] == "getTaskChildren" and example["result"]:
        world.close(world.subtask(task_id))
        world.builder("host.taskWait", task_id)
    if example["method"] == "listTaskOutput" and example["result"]:
        world.put(task_id, world.rpms.srpm)
    return world.admin(example["method"], task_id, **kwargs)


@like("getTaskResult")
def _task_result(world: World, _args: List[Any], kwargs: Dict[str, Any], example: Example) -> Any:
    task_id = world.task()
    if "fault" not in example:
        world.close(task_id, example["result"])
    return world.admin("getTaskResult", task_id, **kwargs)


@like("host.closeTask", "host.failTask", "host.setTaskWeight", "host.taskSetWait", "host.taskWait", "host.refuseTask")
def _with_an_open_task(world: World, args: List[Any], kwargs: Dict[str, Any], example: Example) -> Any:
    method = example["method"]
    refused = "fault" in example or method == "host.refuseTask"
    task_id = world.task(state="free" if refused else "open")
    if method in ("host.closeTask", "host.failTask"):
        args = [task_id, NIL]
    elif method in ("host.taskSetWait", "host.taskWait"):
        args = [task_id, [world.subtask(task_id)]][: len(args)]
    return world.builder(method, task_id, *args[1:], **kwargs)


@like("host.taskWaitResults")
def _wait_results(world: World, _args: List[Any], kwargs: Dict[str, Any], example: Example) -> Any:
    parent = world.task("build", ["x", "demo", {}])
    child = world.subtask(parent)
    if "fault" in example:
        fault = koji.xmlrpcplus.Fault(example["fault"]["faultCode"], example["fault"]["faultString"])
        world.builder("host.failTask", child, koji.xmlrpcplus.dumps(fault))
    else:
        world.close(child, example["result"][0][1])
    return world.builder("host.taskWaitResults", parent, [child], **kwargs)


@like("host.openTask")
def _open(world: World, _args: List[Any], _kwargs: Dict[str, Any], example: Example) -> Any:
    if example["result"]["parent"] is None:
        return world.builder("host.openTask", world.task(state="free"))
    parent = world.task("build", ["x", "demo", {}])
    child = world.builder("host.subtask", "sleep", [1], parent, label="srpm")
    world.builder("host.taskSetWait", parent, [child])
    return world.builder("host.openTask", child)


@like("host.subtask")
def _subtask(world: World, args: List[Any], kwargs: Dict[str, Any], _example: Example) -> Any:
    parent = world.task("build", ["x", "demo", {}])
    if args:
        args = [*args[:2], parent]
    else:
        kwargs = {**kwargs, "parent": parent}
    return world.builder("host.subtask", *args, **kwargs)


@like("host.getTasks", "host.getHostTasks")
def _of_the_host(world: World, _args: List[Any], _kwargs: Dict[str, Any], example: Example) -> Any:
    for row in world.admin("listTasks", {"state": [0, 1, 4]}):
        world.admin("cancelTask", row["id"])
    wanted = example["result"][0] if example["result"] else {}
    if example["method"] == "host.getTasks" and wanted:
        world.task(state="free", assign="builder")
    elif wanted:
        task_id = world.task("build", ["x", "demo", {}])
        if wanted["waiting"]:
            child = world.subtask(task_id)
            world.builder("host.closeTask" if wanted.get("alert") else "host.freeTasks", *_end(child, wanted))
    return world.builder(example["method"])


def _end(child: int, wanted: Dict[str, Any]) -> List[Any]:
    return [child, NIL] if wanted.get("alert") else [[child]]


@like("host.getHost")
def _get_host(world: World, _args: List[Any], _kwargs: Dict[str, Any], _example: Example) -> Any:
    return world.builder("host.getHost")


@like("host.initBuild")
def _init_build(world: World, args: List[Any], _kwargs: Dict[str, Any], _example: Example) -> Any:
    world.releases += 1
    changes = {"task_id": world.task("build", ["x", "demo", {}]), "release": str(world.releases)}
    return world.builder("host.initBuild", {**args[0], **changes})


@like("host.failBuild")
def _fail_build(world: World, _args: List[Any], _kwargs: Dict[str, Any], _example: Example) -> Any:
    task_id, build, _version = world.begun()
    return world.builder("host.failBuild", task_id, build)


@like("host.completeBuild", "host.moveBuildToScratch")
def _finish_build(world: World, _args: List[Any], _kwargs: Dict[str, Any], example: Example) -> Any:
    task_id, build, (srpm, *rpms) = world.built(Path(world.kernel.settings.dir) / "made")
    if example["method"] == "host.moveBuildToScratch":
        return world.builder("host.moveBuildToScratch", task_id, srpm, rpms, logs={"x86_64": []})
    root = world.root()
    brmap = dict.fromkeys((srpm, *rpms), root)
    return world.builder("host.completeBuild", task_id, build, srpm, rpms, brmap, logs={"x86_64": []})


@like("host.tagBuild")
def _tag_build(world: World, _args: List[Any], kwargs: Dict[str, Any], _example: Example) -> Any:
    world.admin("untagBuild", "demo", "hello-1.0-1")
    return world.builder("host.tagBuild", world.task("tagBuild", [1, 1]), 1, 1, **kwargs)


@like("host.newBuildRoot")
def _new_root(world: World, _args: List[Any], kwargs: Dict[str, Any], _example: Example) -> Any:
    return world.builder("host.newBuildRoot", world.repo, "x86_64", **{key: world.task() for key in kwargs})


@like("host.setBuildRootState", "host.setBuildRootList", "host.updateBuildRootList")
def _change_root(world: World, args: List[Any], _kwargs: Dict[str, Any], example: Example) -> Any:
    root = world.root("BUILDING" if example["method"] == "host.updateBuildRootList" else "INIT")
    return world.builder(example["method"], root, args[1])


@like("listBuildroots")
def _list_roots(world: World, _args: List[Any], kwargs: Dict[str, Any], example: Example) -> Any:
    if not example["result"]:
        return world.builder("listBuildroots", hostID=99, state=kwargs["state"])
    root = world.root("BUILDING")
    if "buildrootID" in kwargs:
        world.builder("host.setBuildRootState", root, "EXPIRED")
    return world.builder("listBuildroots", **{"buildrootID": [root]} if "buildrootID" in kwargs else kwargs)


@like("host.repoInit")
def _repo_init(world: World, args: List[Any], kwargs: Dict[str, Any], _example: Example) -> Any:
    return world.builder("host.repoInit", *args, **{**kwargs, "task_id": world.task("newRepo", [2])})


@like("host.repoDone")
def _repo_done(world: World, _args: List[Any], _kwargs: Dict[str, Any], _example: Example) -> Any:
    task_id = world.task("newRepo", [2])
    repo_id, _event = world.builder("host.repoInit", 2, opts={}, task_id=task_id)
    uploaded = world.put(task_id, world.rpms.srpm)
    directory, _slash, name = uploaded.rpartition("/")
    return world.builder("host.repoDone", repo_id, {"x86_64": [directory, [name]]})


@like("host.distRepoMove")
def _dist_repo_move(world: World, _args: List[Any], _kwargs: Dict[str, Any], _example: Example) -> Any:
    task_id = world.admin("distRepo", "demo", ["00000000"], arch=["x86_64"])
    repo_id = world.admin("getTaskRequest", task_id)[1]
    directory = Path(world.kernel.settings.pathinfo.work(), koji.pathinfo.taskrelpath(task_id))
    directory.mkdir(parents=True)
    for name, text in (("kojipkgs", "{}"), ("repo_manifest", '["./kojipkgs"]')):
        (directory / name).write_text(text)
    return world.builder("host.distRepoMove", repo_id, koji.pathinfo.taskrelpath(task_id), "x86_64")


@like("listTaggedRPMS")
def _tagged_rpms(world: World, args: List[Any], kwargs: Dict[str, Any], example: Example) -> Any:
    return world.builder(example["method"], *args, **{**kwargs, "event": world.event})


def _uploaded(world: World, task_id: int, name: str = "root.log") -> Any:
    data = b"some text\n"
    query = {"filepath": koji.pathinfo.taskrelpath(task_id), "filename": name, "offset": "0", "overwrite": "1"}
    request = world.builder.request(query={**query, "fileverify": "adler32"}, body=io.BytesIO(data), length=len(data))
    return world.kernel.call(request, "rawUpload")


@like("rawUpload")
def _raw_upload(world: World, _args: List[Any], _kwargs: Dict[str, Any], example: Example) -> Any:
    return _uploaded(world, world.task(state="free" if "fault" in example else "open"))


@like("checkUpload")
def _check_upload(world: World, _args: List[Any], kwargs: Dict[str, Any], _example: Example) -> Any:
    task_id = world.task()
    _uploaded(world, task_id)
    return world.builder("checkUpload", koji.pathinfo.taskrelpath(task_id), "root.log", **kwargs)


@like("sslLogin")
def _login(world: World, _args: List[Any], _kwargs: Dict[str, Any], _example: Example) -> Any:
    return Caller(world.kernel, "admin").info


@like("logout", "exclusiveSession")
def _of_a_session(world: World, args: List[Any], kwargs: Dict[str, Any], example: Example) -> Any:
    caller = Caller(world.kernel, "user")
    answer = caller(example["method"], *args, **kwargs)
    if example["method"] == "exclusiveSession":
        caller("logout")
    return answer


@like("logoutChild")
def _logout_child(world: World, _args: List[Any], _kwargs: Dict[str, Any], _example: Example) -> Any:
    return world.builder("logoutChild", world.builder("subsession")["session-id"])
