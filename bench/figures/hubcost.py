"""What builders cost the hub: fifty of either kind that have nothing to do.

Fifty daemons would measure this machine rather than the hub. So one daemon of each kind is listened to, behind a proxy,
and fifty hosts then say the same, word for word but for their own ids, with sessions of their own.
"""

from __future__ import annotations

import threading
from typing import Any, Dict, List, Sequence, Tuple

from bench import proc
from bench.harness import Bench, Figure, Results, measures
from bench.scene import REPORT, Either, Scene, methods, names, scene
from tests.support.faultproxy import FaultProxy
from tests.support.sandbox import wait_for

_BUILDERS = 50
_BEATS = 8  # of each builder to a sample
_THREADS = 5  # the hub is asked by so many at a time
_PER_MINUTE = 60 / 15  # heartbeats of a builder, at the usual sleeptime
_HOW = (
    f"{_BUILDERS} sessions repeat the requests of a real daemon's idle heartbeat, {_BEATS} heartbeats each, as fast as "
    "the hub answers; per heartbeat, times the 4 of a minute at sleeptime 15"
)

Request = Tuple[str, Tuple[Any, ...]]


@measures(
    Figure(
        "hub-cpu",
        "CPU s/min",
        f"processor time of the hub per builder and minute, {_BUILDERS} idle builders",
        how=_HOW,
        grows="in proportion to the builders",
    ),
    Figure(
        "hub-requests",
        "requests/min",
        f"requests to the hub per builder and minute, {_BUILDERS} idle builders",
        how=_HOW,
        grows="in proportion to the builders",
    ),
)
def idle_fleet(bench: Bench) -> Results:
    """Fifty builders of ours, fifty of the library's, in turn."""
    count = bench.size(_BUILDERS, small=3)
    hosts = names("host", count)
    with scene(bench, [*hosts, "ours", "peer"]) as place:
        # the ids of these two are higher than any other number that is spoken of, so that they can be told from those
        ours = _listen(place, place.ours, "ours")
        peer = _listen(place, place.peer, "peer")
        voices = [_Voice(place, host) for host in hosts]
        return bench.pairs(lambda: _speak(bench, place, voices, ours), lambda: _speak(bench, place, voices, peer))


class _Voice:
    """A host that says what it is told to."""

    def __init__(self, place: Scene, host: str) -> None:
        self.session = place.hub.session(host, exclusive=True)
        self.id = int(self.session.host.getID())

    def say(self, heartbeat: Sequence[Request], other: int) -> None:
        """The requests of a heartbeat, with this host's id in place of another's."""
        for method, params in heartbeat:
            self.session.callMethod(method, *_with_id(params, other, self.id))


def _with_id(value: Any, other: int, own: int) -> Any:
    if isinstance(value, dict):
        return {name: _with_id(part, other, own) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_with_id(part, other, own) for part in value)
    return own if value == other and isinstance(value, int) and not isinstance(value, bool) else value


def _listen(place: Scene, make: Any, host: str) -> Tuple[int, List[Request]]:
    """A daemon's id, and the requests of its heartbeat from one report up to the next."""
    with FaultProxy(place.hub.url, place.hub.settings.ca_dir, host) as proxy:
        daemon: Either = make(host, server=proxy.url, sleeptime=1)
        daemon.start()
        wait_for(lambda: len(_reports(proxy)) > 4, 120, daemon.log[-2000:])
        places, seen = _reports(proxy), proxy.seen
        daemon.stop()
    heard = [(one.name, one.params) for one in seen[places[2] + 1 : places[3] + 1]]
    return int(place.admin.getHost(host)["id"]), heard


def _reports(proxy: FaultProxy) -> List[int]:
    return [place for place, one in enumerate(proxy.seen) if one.name == REPORT or REPORT in one.parts]


def _speak(bench: Bench, place: Scene, voices: Sequence[_Voice], heard: Tuple[int, List[Request]]) -> Dict[str, float]:
    """All of them say a heartbeat, several times; what it cost the hub."""
    beats = bench.size(_BEATS, small=2)
    other, heartbeat = heard
    troubles: List[BaseException] = []

    def speak(part: Sequence[_Voice]) -> None:
        try:
            for _beat in range(beats):
                for voice in part:
                    voice.say(heartbeat, other)
        except BaseException as error:
            troubles.append(error)

    mark, before = place.tape.mark(), proc.cpu(place.hub.pid)
    threads = [threading.Thread(target=speak, args=(voices[first::_THREADS],)) for first in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if troubles:
        raise troubles[0]
    spent = proc.cpu(place.hub.pid) - before
    calls = place.tape.calls(mark)
    assert methods(calls), "nothing was said"
    said = beats * len(voices)
    return {"hub-cpu": spent / said * _PER_MINUTE, "hub-requests": len(calls) / said * _PER_MINUTE}
