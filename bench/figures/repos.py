"""Repositories of a large tag: made from nothing, with one package changed, with nothing changed."""

from __future__ import annotations

from typing import Any, Dict

from bench.bigtag import BigTags
from bench.harness import Bench, Figure, Results, measures, ratio
from bench.scene import Either, Scene, scene

_ARCHES = ("x86_64", "aarch64", "ppc64le")
_PACKAGES, _QUICK_PACKAGES = 20_000, 2_000
_PATIENCE = 900.0
_UPLOADS = {"rawUpload", "uploadFile"}
_HOW = (
    "from the start to the end of a task newRepo with its subtasks createrepo, by the hub's records, less the time "
    "that the hub takes to lay the repository out; packages of 25 files and 6 entries of a changelog"
)
_PEER = (
    "the koji library's task manager with handlers that do what the stock ones do (bench/stockrepos.py): createrepo_c "
    "--update --skip-stat with databases, uploads by the library; it looks for work each 0.1 s"
)


def _figure(name: str, what: str, grows: str, target: Any = None) -> Figure:
    what = f"newRepo of {_PACKAGES:,} packages × {len(_ARCHES)} arches, {what}"
    return Figure(name, "s", what, target, peer=_PEER, how=_HOW, grows=grows)


@measures(
    _figure("newrepo-fresh", "no older repository", "with the packages: createrepo_c reads each", ratio(1.0)),
    _figure(
        "newrepo-one", "one build changed, in all arches", "with the size of the lists, not the packages", ratio(0.6)
    ),
    _figure("newrepo-same", "nothing changed", "with the size of the lists, which are uploaded", ratio(0.15)),
    Figure(
        "newrepo-same-bytes",
        "bytes",
        "uploaded by that newRepo, where nothing changed",
        peer=_PEER,
        how="bodies of the requests that upload something, logs included, by the hub's log",
        grows="with the size of the lists",
    ),
    Figure(
        "newrepo-same-requests",
        "requests",
        "of that newRepo, heartbeats included",
        peer=_PEER,
        how="the hub's log",
        grows="with the arches",
    ),
)
def repositories(bench: Bench) -> Results:
    """The three of one tag, one after the other."""
    count = bench.size(_QUICK_PACKAGES if bench.quick else _PACKAGES, small=12)
    with scene(bench, ("ours", "peer")) as place:
        tags = BigTags(place, ("tag-ours", "tag-peer"), _ARCHES, count)
        ours = place.ours("ours", sleeptime=1).start()
        peer = place.peer("peer", handlers="bench.stockrepos", topdir=str(place.hub.topdir)).start()
        found = bench.pairs(lambda: _sample(place, tags, ours), lambda: _sample(place, tags, peer))
    if count != _PACKAGES:
        for result in found.values():
            result.note = f"{count} packages"
    return found


def _sample(place: Scene, tags: BigTags, builder: Either) -> Dict[str, float]:
    """One repository of each kind."""
    tag = f"tag-{builder.host}"
    tags.forget_repos(tag)
    found = {"newrepo-fresh": _make(place, builder, tag)}
    mark = place.tape.mark()
    found["newrepo-same"] = _make(place, builder, tag)
    calls = place.tape.calls(mark, builder.host)
    found["newrepo-same-requests"] = len(calls)
    found["newrepo-same-bytes"] = sum(call.size_in for call in calls if _UPLOADS & {call.method, *call.parts})
    tags.change(tag)
    found["newrepo-one"] = _make(place, builder, tag)
    return found


def _make(place: Scene, builder: Either, tag: str) -> float:
    """Make a repository; how long it took."""
    mark = place.tape.mark()
    task_id = int(place.admin.makeTask("newRepo", [tag], channel=builder.host))
    (row,) = place.closed([task_id], _PATIENCE)
    laid_out = [
        call.ms for call in place.tape.calls(mark, builder.host) if "host.repoInit" in (call.method, *call.parts)
    ]
    assert len(laid_out) == 1, laid_out
    return float(row["completion_ts"] - row["start_ts"] - laid_out[0] / 1000)
