"""What this builder can do: the handler of each method (contract 6.0). Plugins add to it and may replace entries.

A handler's module is loaded when its method is wanted for the first time: a daemon keeps what it imports for as long as
it runs, and most hosts only ever do some of this.
"""

from __future__ import annotations

import importlib
from typing import Any, Dict, Iterator, MutableMapping, Union

# Method to module of kojid.tasks and class. The class has the method among its `Methods`.
_BUILT_IN: Dict[str, str] = {
    "appliance": "images.appliance:BuildApplianceTask",
    "build": "build:BuildTask",
    "buildArch": "buildarch:BuildArchTask",
    "buildMaven": "buildmaven:BuildMavenTask",
    "buildNotification": "notifications:BuildNotificationTask",
    "buildSRPMFromSCM": "srpmfromscm:BuildSRPMFromSCMTask",
    "chainbuild": "chainbuild:ChainBuildTask",
    "chainmaven": "chainmaven:ChainMavenTask",
    "createAppliance": "images.appliance:ApplianceTask",
    "createImage": "images.factoryimage:BaseImageTask",
    "createdistrepo": "createdistrepo:createDistRepoTask",
    "createLiveCD": "images.livecd:LiveCDTask",
    "createLiveMedia": "images.livemedia:LiveMediaTask",
    "createrepo": "createrepo:CreaterepoTask",
    "default": "library:DefaultTask",
    "dependantTask": "dependant:DependantTask",
    "distRepo": "distrepo:NewDistRepoTask",
    "fork": "library:ForkTask",
    "image": "images.factoryimage:BuildBaseImageTask",
    "indirectionimage": "images.indirection:BuildIndirectionImageTask",
    "livecd": "images.livecd:BuildLiveCDTask",
    "livemedia": "images.livemedia:BuildLiveMediaTask",
    "maven": "maven:MavenTask",
    "newRepo": "newrepo:NewRepoTask",
    "rebuildSRPM": "srpm:RebuildSRPM",
    "restart": "library:RestartTask",
    "restartHosts": "library:RestartHostsTask",
    "restartVerify": "library:RestartVerifyTask",
    "shutdown": "library:ShutdownTask",
    "sleep": "library:SleepTask",
    "someMethod": "library:FakeTask",
    "subtask": "library:SubtaskTask",
    "tagBuild": "tagging:TagBuildTask",
    "tagNotification": "notifications:TagNotificationTask",
    "waitrepo": "waitrepo:WaitrepoTask",
    "waittest": "library:WaitTestTask",
    "wrapperRPM": "wrapperrpm:WrapperRPMTask",
}


class Handlers(MutableMapping[str, Any]):
    """Handler classes by method; those that are given by name are loaded when they are asked for.

    Args:
        entries: for each method a class, or the name of one, "module:Class".
    """

    def __init__(self, entries: Dict[str, Union[str, Any]]) -> None:
        self._entries = dict(entries)

    def __getitem__(self, method: str) -> Any:
        found = self._entries[method]
        if isinstance(found, str):
            module, _, name = found.partition(":")
            found = self._entries[method] = getattr(importlib.import_module(f"kojid.tasks.{module}"), name)
        return found

    def __setitem__(self, method: str, handler: Any) -> None:
        self._entries[method] = handler

    def __delitem__(self, method: str) -> None:
        del self._entries[method]

    def __contains__(self, method: object) -> bool:
        return method in self._entries  # the mapping's own would load it to see

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def copy(self) -> Handlers:
        """The same handlers, for others to be added."""
        return Handlers(self._entries)


def handlers() -> Handlers:
    """The built-in handler of each method; new each time. A method that is not in it is refused."""
    return Handlers(_BUILT_IN)
