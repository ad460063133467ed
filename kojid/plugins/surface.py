"""The names that third-party plugins import from `__main__`, the stock daemon being a script (contract 10.2).

The same names are attributes of `bin/kojid` when a plugin loads that file as a module, as old ones did.
"""

from __future__ import annotations

import sys
from typing import Any, Dict

import koji
import koji.daemon
import koji.tasks
import koji.util

from kojid.buildroot.buildroot import BuildRoot
from kojid.sources.scm import SCM
from kojid.tasks import registry
from kojid.tasks.base import BaseBuildTask, BaseTaskHandler
from kojid.tasks.images import BuildImageTask, ImageTask, MultiPlatformTask, OzImageTask

# The stock daemon's handler classes, by a method of each: whoever handles it here goes by that name too.
_HANDLERS = {
    "ApplianceTask": "createAppliance",
    "BaseImageTask": "createImage",
    "BuildApplianceTask": "appliance",
    "BuildArchTask": "buildArch",
    "BuildBaseImageTask": "image",
    "BuildIndirectionImageTask": "indirectionimage",
    "BuildLiveCDTask": "livecd",
    "BuildLiveMediaTask": "livemedia",
    "BuildMavenTask": "buildMaven",
    "BuildNotificationTask": "buildNotification",
    "BuildSRPMFromSCMTask": "buildSRPMFromSCM",
    "BuildTask": "build",
    "ChainBuildTask": "chainbuild",
    "ChainMavenTask": "chainmaven",
    "CreaterepoTask": "createrepo",
    "LiveCDTask": "createLiveCD",
    "LiveMediaTask": "createLiveMedia",
    "MavenTask": "maven",
    "NewDistRepoTask": "distRepo",
    "NewRepoTask": "newRepo",
    "RebuildSRPM": "rebuildSRPM",
    "TagBuildTask": "tagBuild",
    "TagNotificationTask": "tagNotification",
    "WrapperRPMTask": "wrapperRPM",
    "createDistRepoTask": "createdistrepo",
}
# Classes without a method of their own that belong to what is not here.
_BASES = ("BuildRootLogs",)
# What the stock daemon has taken into its own namespace from the library.
_DAEMON = ("TaskManager", "fast_incremental_upload", "incremental_upload", "log_output")
_TASKS = ("RefuseTask", "ServerExit", "ServerRestart")
_UTIL = ("dslice", "dslice_ex", "format_shell_cmd", "isSuccess", "joinpath", "parseStatus", "to_list")


def names() -> Dict[str, Any]:
    """What a plugin can import, by name; a new dictionary each time."""
    handlers = registry.handlers()
    found: Dict[str, Any] = {
        "BaseBuildTask": BaseBuildTask,
        "BaseTaskHandler": BaseTaskHandler,
        "BuildImageTask": BuildImageTask,
        "BuildRoot": BuildRoot,
        "ImageTask": ImageTask,
        "MultiPlatformTask": MultiPlatformTask,
        "OzImageTask": OzImageTask,
        "SCM": SCM,
        "koji": koji,
    }
    for module, wanted in ((koji.daemon, _DAEMON), (koji.tasks, _TASKS), (koji.util, _UTIL)):
        found.update({name: getattr(module, name) for name in wanted})
    found.update({name: handlers[method] for name, method in _HANDLERS.items() if method in handlers})
    return found


def missing(name: str) -> str:
    """What to say of a name of the stock daemon that is not here; empty if it has no such name, or this one has it."""
    if name in _BASES or (name in _HANDLERS and name not in names()):
        return f"{name} of the stock daemon is not built in this one"
    return ""


def lookup(name: str) -> Any:
    """One of the names.

    Raises:
        AttributeError: there is none, with the reason when the stock daemon has it.
    """
    try:
        return names()[name]
    except KeyError:
        raise AttributeError(missing(name) or f"the daemon's script has no {name!r} for plugins") from None


def publish() -> None:
    """Put the names into `__main__`, before any plugin is loaded.

    Plugins that take SCM from the library, and derive from it, get the daemon's, too: the library's own checks out as
    root (contract 11, item 22).
    """
    vars(sys.modules["__main__"]).update(names())
    koji.daemon.SCM = SCM
