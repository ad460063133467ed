"""The calls that a stock hub gets from its plugins kiwi and dud: each makes a task (contract 6.13).

Argument names are the ones that clients of a hub send as keywords.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Union

import koji

from kojid.sandbox.hub import tasks
from kojid.sandbox.hub.content import targets
from kojid.sandbox.hub.kernel import Context, export

CHANNEL = "image"
Arches = Union[str, List[str], None]


@export("kiwiBuild")
def kiwi_build(
    ctx: Context,
    target: Union[str, int],
    arches: Arches,
    desc_url: str,
    desc_path: str,
    optional_arches: Arches = None,
    scratch: bool = False,
    priority: Optional[int] = None,
    use_buildroot_repo: bool = True,
    **opts: Any,
) -> int:
    """Ask for an image by kiwi; needs the permission `image`.

    Args:
        ctx: the call.
        target: the build target.
        arches: a list, or a text with blanks; none for all of the build tag's.
        desc_url, desc_path: where the description is, in version control.
        optional_arches: those that may fail.
        scratch: whether the files are put aside.
        priority: added to the usual one; a negative one is for admins.
        use_buildroot_repo: whether the image is made from the build tag's repository.
        opts: more of the task's options: profile, make_prep, repos, release, type, type_attr,
            result_bundle_name_format, version, repo_releasever.

    Returns:
        The task's id.

    Raises:
        koji.ActionNotAllowed: the caller lacks the permission.
        koji.GenericError: no such target, or an argument is none.
        koji.ParameterError: an option that there is not, or of the wrong type.
    """
    ctx.require("image")
    _check_kiwi({"desc_url": desc_url, "desc_path": desc_path, **opts})
    targets.get_build_target(ctx, target, strict=True)
    wanted = {
        "scratch": bool(scratch),
        "optional_arches": _arches(optional_arches),
        "use_buildroot_repo": bool(use_buildroot_repo),
        **opts,
    }
    # what is not set is left out
    given = {name: value for name, value in wanted.items() if value}
    request = [target, _arches(arches), desc_url, desc_path, given]
    return tasks.make_task(ctx, "kiwiBuild", request, **_task_options(ctx, priority))


_TEXTS = ("desc_url", "desc_path", "profile", "version", "release", "repo_releasever", "result_bundle_name_format")
_LISTS = ("repos", "type_attr")
_OTHERS = ("make_prep", "type")


def _check_kiwi(values: Dict[str, Any]) -> None:
    for name, value in values.items():
        if name not in (*_TEXTS, *_LISTS, *_OTHERS):
            raise koji.ParameterError(f"kiwiBuild() got an unexpected keyword argument '{name}'")
        kind = {**dict.fromkeys(_TEXTS, str), **dict.fromkeys(_LISTS, list)}.get(name, object)
        if value and not isinstance(value, kind):
            raise koji.ParameterError(f"Invalid type for value '{value}': {type(value)}, expected type {kind}")


@export("dudBuild")
def dud_build(
    ctx: Context,
    dud_name: str,
    dud_version: str,
    arches: List[str],
    target: Union[str, int],
    pkg_list: List[str],
    optional_arches: Optional[List[str]] = None,
    scratch: bool = False,
    alldeps: bool = False,
    scmurl: Optional[str] = None,
    priority: Optional[int] = None,
) -> int:
    """Ask for a driver update disk; needs the permission `image`. Nothing is checked before the task does.

    Args:
        ctx: the call.
        dud_name, dud_version: of the disk.
        arches: one disk each.
        target: the build target.
        pkg_list: packages.
        optional_arches: those that may fail.
        scratch: whether the files are put aside.
        alldeps: whether what the packages need is on the disk as well.
        scmurl: what else is on the disk, in version control.
        priority: added to the usual one; a negative one is for admins.

    Returns:
        The task's id.

    Raises:
        koji.ActionNotAllowed: the caller lacks the permission.
    """
    ctx.require("image")
    opts = {"scratch": scratch, "alldeps": alldeps, "scmurl": scmurl, "optional_arches": optional_arches}
    request = [dud_name, dud_version, arches, target, pkg_list, opts]
    return tasks.make_task(ctx, "dudBuild", request, **_task_options(ctx, priority))


def _arches(arches: Arches) -> List[str]:
    text = " ".join(arches) if isinstance(arches, list) else arches
    found: List[str] = koji.parse_arches(text, to_list=True, strict=True, allow_none=True)
    return found


def _task_options(ctx: Context, priority: Optional[int]) -> Dict[str, Any]:
    if not priority:
        return {"channel": CHANNEL}
    if priority < 0 and not ctx.has_permission("admin"):
        raise koji.ActionNotAllowed("only admins may create high-priority tasks")
    return {"channel": CHANNEL, "priority": koji.PRIO_DEFAULT + priority}
