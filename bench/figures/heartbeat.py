"""What a builder that has nothing to do costs the hub: requests, calls and bytes of a heartbeat."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Sequence

import koji

from bench.harness import Bench, Figure, Result, Results, measures, ratio
from bench.scene import Scene, methods, scene, size
from tests.support.sandboxhub import LoggedCall

_LEFTOVERS = 13
_HOW = "the hub's log from one report of the host up to the fifth after it, divided by five"


def _figures(suffix: str, where: str) -> List[Figure]:
    return [
        Figure(
            f"heartbeat-requests{suffix}",
            "requests",
            f"HTTP requests per idle heartbeat{where}",
            ratio(0.4),
            how=_HOW,
            grows="does not grow with buildroots or builders",
        ),
        Figure(
            f"heartbeat-calls{suffix}",
            "calls",
            f"hub calls per idle heartbeat{where}, each of those in one request counted",
            how=_HOW,
            grows="as the requests",
        ),
        Figure(
            f"heartbeat-bytes{suffix}",
            "bytes",
            f"bodies of requests and answers per idle heartbeat{where}",
            how=_HOW,
            grows="with the open tasks of the host and its buildroots that the hub has as alive",
        ),
    ]


@measures(*_figures("", ""))
def idle(bench: Bench) -> Results:
    """A host that has never done anything."""
    with scene(bench, ("ours", "peer")) as place:
        return _measure(bench, place, "")


@measures(*_figures("-leftovers", f" with {_LEFTOVERS} leftover buildroots"))
def idle_with_leftovers(bench: Bench) -> Results:
    """A host on which the buildroots of failed tasks wait for their time."""
    with scene(bench, ("ours", "peer")) as place:
        for host in ("ours", "peer"):
            _leave_buildroots(place, host)
        return _measure(bench, place, "-leftovers")


def _measure(bench: Bench, place: Scene, suffix: str) -> Dict[str, Result]:
    sleeptime = 1  # what a heartbeat is made of does not depend on it
    ours = place.ours("ours", sleeptime=sleeptime).start()
    peer = place.peer("peer", sleeptime=sleeptime).start()
    for builder in (ours, peer):
        place.heartbeats(builder, 2)  # what is said only at the start is over
    beats = bench.size(5, small=3)
    marks: List[int] = []

    def of_ours() -> Dict[str, float]:
        marks.append(place.tape.mark())
        return _share(place.heartbeats(ours, beats, marks[-1]), suffix, beats)

    def of_peer() -> Dict[str, float]:  # in the same seconds
        return _share(place.heartbeats(peer, beats, marks[-1]), suffix, beats)

    return bench.pairs(of_ours, of_peer)


def _share(calls: Sequence[LoggedCall], suffix: str, beats: int) -> Dict[str, float]:
    """One sample of the three figures."""
    return {
        f"heartbeat-requests{suffix}": len(calls) / beats,
        f"heartbeat-calls{suffix}": len(methods(calls)) / beats,
        f"heartbeat-bytes{suffix}": size(calls) / beats,
    }


def _leave_buildroots(place: Scene, host: str) -> None:
    """What failed tasks of a host leave: expired buildroots on the hub, their configurations and roots on the disk."""
    tag = f"{host}-build"
    place.admin.createTag(tag, arches="x86_64")
    session = place.hub.session(host, exclusive=True)
    options = place.fleet.builder_options(host, place.fleet.dir / host)
    repo_id = 0
    for _number in range(_LEFTOVERS):
        task_id = place.task(host, "newRepo" if not repo_id else "buildArch", tag)
        session.host.openTask(task_id)
        if not repo_id:
            repo_id, _event = session.host.repoInit(tag, task_id=task_id)
            session.host.repoDone(repo_id, {})
        root_id = session.host.newBuildRoot(repo_id, "x86_64", task_id=task_id)
        session.host.setBuildRootState(root_id, "EXPIRED")
        session.host.failTask(task_id, koji.xmlrpcplus.dumps(koji.xmlrpcplus.Fault(1005, "as planned")))
        name = f"{tag}-{root_id}-{repo_id}"
        config = Path(options["mock_config_dir"]) / f"{name}.cfg"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(f"# Koji buildroot id: {root_id}\n# Koji buildroot name: {name}\n")
        root = Path(options["mockdir"]) / name / "root"
        root.mkdir(parents=True)
        (root / "file").touch()
    session.logout()
