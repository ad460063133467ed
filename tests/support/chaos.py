"""Faults that a seed chooses, and how each of them is done to a scene.

for fault in schedule(seed, number):
    fault.strike(scene)

The same seed and number make the same schedule, on every machine: a fault that can't be done there is left out when it
is its turn, and says why.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Tuple

from kojid.daemon.steps import STEPS
from tests.support import faultproxy
from tests.support.chaosmachine import Clock
from tests.support.chaosscene import DISKS, Scene

#: Calls whose reply is lost: all that a generic task and its daemon make that change something on the hub.
LOST = (
    *faultproxy.OF_ANY_TASK,
    "host.closeTask",
    "host.failTask",
    "host.updateHost",
    "host.getTasks",
    "rawUpload",
    "logoutChild",
    "exclusiveSession",
)
#: What a bad line does to any call: name -> the proxy's fault.
BAD_LINE: Dict[str, faultproxy.Fault] = {
    "reset": faultproxy.reset(),
    "502": faultproxy.page(502),
    "504 after the deed": faultproxy.page(504, done=True),
    "lost reply": faultproxy.lose(),
    "offline": faultproxy.offline(),
    "drip": faultproxy.drip(0.0005),
    "late": faultproxy.delay(0.5),
    "silence": faultproxy.silence(done=True),
}
_STEADY = 3  # calls between two that a bad line hits, so that tries can get through


@dataclass(frozen=True)
class Fault:
    """One line of a schedule.

    Args:
        kind: a key of `KINDS`.
        detail: what of it: a step, a method, a disk.
        seconds: how long it lasts, or how long the daemon may work before it.
    """

    kind: str
    detail: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.kind} {self.detail} {self.seconds:g} s".replace("  ", " ")

    def strike(self, scene: Scene) -> None:
        """Do it to a scene and take it back; a new task is there for it to hit."""
        scene.make("sleep", 1)
        KINDS[self.kind][0](scene, self)


def _crash(scene: Scene, fault: Fault) -> None:
    scene.daemon.kill()
    scene.daemon.launch(KOJID_CRASH_AT=fault.detail)
    scene.daemon.crashes(200)  # a machine under load takes no task for a while
    scene.daemon.launch()


def _kill(scene: Scene, fault: Fault) -> None:
    scene.pause(fault.seconds)
    scene.daemon.kill()
    scene.daemon.launch()


def _hup(scene: Scene, fault: Fault) -> None:
    scene.pause(fault.seconds)
    scene.daemon.hang_up()


def _lost(scene: Scene, fault: Fault) -> None:
    scene.proxy.on(fault.detail, faultproxy.lose())


def _line(scene: Scene, fault: Fault) -> None:
    for nth in range(5):
        scene.proxy.on("*", BAD_LINE[fault.detail], nth=1 + nth * _STEADY)
    scene.pause(fault.seconds)


def _down(scene: Scene, fault: Fault) -> None:
    scene.proxy.down()
    scene.pause(fault.seconds)
    scene.proxy.up()


def _freeze(scene: Scene, fault: Fault) -> None:
    scene.proxy.freeze()
    scene.pause(fault.seconds)
    scene.proxy.thaw()


def _hub(scene: Scene, fault: Fault) -> None:
    scene.restart_hub(fault.seconds)


def _disk(scene: Scene, fault: Fault) -> None:
    with scene.broken(fault.kind, fault.detail):
        scene.pause(fault.seconds)


def _descriptors(scene: Scene, fault: Fault) -> None:
    scene.make("sleep", 2)
    scene.pause(1)
    with scene.descriptors(fault.detail, spare=0 if fault.seconds < 1.5 else 3):
        scene.pause(fault.seconds)


def _processes(scene: Scene, fault: Fault) -> None:
    with scene.crowded():
        scene.make("fork", 2, 60)
        scene.pause(fault.seconds)


def _clock(scene: Scene, fault: Fault) -> None:
    with scene.clock_off(Clock.YEAR if fault.detail == "+1 year" else -Clock.YEAR):
        scene.pause(fault.seconds + 1)
        scene.make("sleep", 0)
    scene.pause(1)


def _cancel(scene: Scene, fault: Fault) -> None:
    task_id = scene.make("fork", 2, 600) if fault.detail == "early" else scene.make("sleep", 600)
    scene.pause(fault.seconds if fault.detail == "late" else 0.1)
    scene.cancel(task_id)


def _reassign(scene: Scene, fault: Fault) -> None:
    task_id = scene.make("sleep", 2)
    scene.pause(fault.seconds)
    scene.give_away(task_id)


def _expire(scene: Scene, fault: Fault) -> None:
    scene.pause(fault.seconds)
    scene.expire_sessions()


def _stuck(scene: Scene, fault: Fault) -> None:
    with scene.frozen() as path:
        if path:
            task_id = scene.make("scribble", path, result=0)
            scene.pause(fault.seconds + 1)
            if fault.detail == "canceled":
                scene.cancel(task_id)
                scene.pause(fault.seconds)


#: Kind -> what does it, and its details to choose from.
KINDS: Dict[str, Tuple[Callable[[Scene, Fault], None], Tuple[str, ...]]] = {
    "crash at": (_crash, STEPS),
    "kill -9": (_kill, ("",)),
    "SIGHUP": (_hup, ("",)),
    "lost reply of": (_lost, LOST),
    "bad line:": (_line, tuple(BAD_LINE)),
    "hub refuses": (_down, ("",)),
    "hub half-open": (_freeze, ("",)),
    "hub killed": (_hub, ("",)),
    "full": (_disk, DISKS),
    "no inodes": (_disk, DISKS),
    "read-only": (_disk, DISKS),
    "no descriptors for the": (_descriptors, ("daemon", "task")),
    "no processes": (_processes, ("",)),
    "clock": (_clock, ("+1 year", "-1 year")),
    "cancel": (_cancel, ("early", "late")),
    "reassign": (_reassign, ("",)),
    "expired sessions": (_expire, ("",)),
    "child in the kernel's hands": (_stuck, ("waited for", "canceled")),
}
_WEIGHTS = {"crash at": 5, "lost reply of": 4, "bad line:": 3, "full": 2, "read-only": 2, "cancel": 2, "reassign": 2}
#: Releases of hubs: with a scheduler, the first one with it, the last and an early one on which builders choose.
VERSIONS = ("1.35.3", "1.34.1", "1.33.2", "1.30.1")


def hub_settings(seed: int, number: int) -> Dict[str, Any]:
    """What kind of hub one round has: half of them are of the newest release."""
    chance = random.Random(f"hub {seed}/{number}")
    version = chance.choices(VERSIONS, [3, 1, 1, 1])[0]
    return {"version": version, "strict_call_numbers": chance.random() < 0.7, "soft_refusal_timeout": 2}


def schedule(seed: int, number: int, faults: int = 6) -> List[Fault]:
    """The faults of one round.

    Args:
        seed: of the whole run.
        number: of the round, from 1.
        faults: how many.
    """
    chance = random.Random(f"faults {seed}/{number}")
    kinds = chance.choices(list(KINDS), [_WEIGHTS.get(kind, 1) for kind in KINDS], k=faults)
    return [Fault(kind, chance.choice(KINDS[kind][1]), round(chance.uniform(0.2, 3), 1)) for kind in kinds]
