"""What this builder can do: the handler of each method (contract 6.0). Plugins add to it and may replace entries."""

from __future__ import annotations

from typing import Dict, List, Type

from kojid.tasks.base import BaseTaskHandler
from kojid.tasks.build import BuildTask
from kojid.tasks.buildarch import BuildArchTask
from kojid.tasks.buildmaven import BuildMavenTask
from kojid.tasks.chainbuild import ChainBuildTask
from kojid.tasks.chainmaven import ChainMavenTask
from kojid.tasks.createdistrepo import createDistRepoTask
from kojid.tasks.createrepo import CreaterepoTask
from kojid.tasks.dependant import DependantTask
from kojid.tasks.distrepo import NewDistRepoTask
from kojid.tasks.images.appliance import ApplianceTask, BuildApplianceTask
from kojid.tasks.images.livecd import BuildLiveCDTask, LiveCDTask
from kojid.tasks.images.livemedia import BuildLiveMediaTask, LiveMediaTask
from kojid.tasks.library import (
    DefaultTask,
    FakeTask,
    ForkTask,
    RestartHostsTask,
    RestartTask,
    RestartVerifyTask,
    ShutdownTask,
    SleepTask,
    SubtaskTask,
    WaitTestTask,
)
from kojid.tasks.maven import MavenTask
from kojid.tasks.newrepo import NewRepoTask
from kojid.tasks.notifications import BuildNotificationTask, TagNotificationTask
from kojid.tasks.srpm import RebuildSRPM
from kojid.tasks.srpmfromscm import BuildSRPMFromSCMTask
from kojid.tasks.tagging import TagBuildTask
from kojid.tasks.waitrepo import WaitrepoTask
from kojid.tasks.wrapperrpm import WrapperRPMTask

_BUILT_IN: List[Type[BaseTaskHandler]] = [
    ApplianceTask,
    BuildApplianceTask,
    BuildArchTask,
    BuildLiveCDTask,
    BuildLiveMediaTask,
    BuildMavenTask,
    BuildNotificationTask,
    BuildSRPMFromSCMTask,
    BuildTask,
    ChainBuildTask,
    ChainMavenTask,
    createDistRepoTask,
    CreaterepoTask,
    DefaultTask,
    DependantTask,
    FakeTask,
    ForkTask,
    LiveCDTask,
    LiveMediaTask,
    MavenTask,
    NewDistRepoTask,
    NewRepoTask,
    RebuildSRPM,
    RestartHostsTask,
    RestartTask,
    RestartVerifyTask,
    ShutdownTask,
    SleepTask,
    SubtaskTask,
    TagBuildTask,
    TagNotificationTask,
    WaitTestTask,
    WaitrepoTask,
    WrapperRPMTask,
]


def handlers() -> Dict[str, Type[BaseTaskHandler]]:
    """The built-in handler of each method; a new dictionary each time. A method that is not in it is refused."""
    return {method: handler for handler in _BUILT_IN for method in handler.Methods}
