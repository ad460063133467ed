from __future__ import annotations

from typing import Any, Dict, List

import koji
import pytest

from kojid.tasks.distrepo import NewDistRepoTask
from tests.support.faketask import TAG, ScriptedSession, Subtasks, make_handler, sequence

OPTS: Dict[str, Any] = {"arch": ["x86_64"], "event": 74, "multilib": None}


class Hub(ScriptedSession):
    def __init__(self, *arches: str, **more: Any) -> None:
        self.subtasks = Subtasks({arch: more.pop(arch, None) for arch in arches})
        answers = {"getTag": TAG, "host.distRepoMove": None, "host.repoDone": None}
        super().__init__({**answers, **self.subtasks.answers()}, **more)

    @property
    def moved(self) -> List[Any]:
        return [args for args, _ in self.arguments("host.distRepoMove")]

    @property
    def labels(self) -> List[str]:
        return [spawned["label"] for spawned in self.subtasks.spawned]


def run(hub: Hub, options: Any, **opts: Any) -> Any:
    params = ["demo", 3, ["AAAA"], {**OPTS, **opts}]
    return make_handler(NewDistRepoTask, "distRepo", params, hub, options, task_id=209).run()


def test_the_hub_is_asked_as_recorded(options: Any) -> None:
    hub = Hub("x86_64")
    assert run(hub, options) == "Dist repository #3 successfully generated"
    assert hub.names == sequence("distRepo")
    assert hub.arguments("getTag") == [(("demo",), {"strict": True, "event": 74})]
    (spawned,) = hub.subtasks.spawned
    assert spawned == {
        "method": "createdistrepo",
        "arglist": ["demo", 3, "x86_64", ["AAAA"], OPTS],
        "label": "x86_64",
        "parent": 209,
        "arch": "noarch",
    }
    assert hub.moved == [(3, "tasks/900/900", "x86_64")]
    assert hub.arguments("host.repoDone") == [((3, {}), {})]


def test_arches_are_canonical_and_come_from_the_tag_if_none_are_named(options: Any) -> None:
    hub = Hub("i386", "x86_64", getTag={**TAG, "arches": "x86_64 i686 i586"})
    run(hub, options, arch=[])
    assert hub.labels == ["i386", "x86_64"]
    assert hub.subtasks.spawned[0]["arglist"][4]["arch"] == ["x86_64", "i686", "i586"]


def test_no_arches_at_all(options: Any) -> None:
    with pytest.raises(koji.GenericError, match="No arches specified nor for the tag"):
        run(Hub(getTag={**TAG, "arches": None}), options, arch=[])


def test_with_multilib_the_partners_are_in_their_place_first(options: Any) -> None:
    hub = Hub("aarch64", "i386", "x86_64")
    run(hub, options, arch=["x86_64", "i686", "aarch64"], multilib="cli/multilib.conf")
    calls = [name for name in hub.names if name in ("host.subtask", "host.distRepoMove", "host.taskWaitResults")]
    assert calls == (
        ["host.subtask"] * 2 + ["host.taskWaitResults"] + ["host.distRepoMove"] * 2
        + ["host.subtask", "host.taskWaitResults", "host.distRepoMove"]
    )  # fmt: skip
    assert [arch for _, _, arch in hub.moved] == ["aarch64", "i386", "x86_64"]


def test_without_multilib_all_are_made_side_by_side(options: Any) -> None:
    hub = Hub("i386", "x86_64")
    run(hub, options, arch=["x86_64", "i686"])
    assert hub.names.count("host.taskWaitResults") == 1
    assert [arch for _, _, arch in hub.moved] == ["i386", "x86_64"]


def test_an_arch_that_fails_ends_it(options: Any) -> None:
    hub = Hub("x86_64", x86_64=koji.GenericError("Unsigned packages found"))
    hub.answer("cancelTaskChildren", None)
    with pytest.raises(koji.GenericError, match="Unsigned packages found"):
        run(hub, options)
    assert hub.moved == []
    assert "host.repoDone" not in hub.names
