"""Whether a scratch build's files have arrived where the hub puts them: no call tells, the volume does."""

from __future__ import annotations

import os
from typing import Any, List, Mapping, Optional, Sequence

import koji
import requests

from kojid.hub.volume import CONNECT_SECONDS, READ_SECONDS, volume_url


def are_moved(
    session: Any,
    task_id: int,
    srpm: str,
    rpms: Sequence[str],
    logs: Optional[Mapping[str, Sequence[str]]] = None,
) -> bool:
    """Whether all files of `host.moveBuildToScratch` lie below the scratch directory (contract 6.1, step 15).

    Args:
        session: the hub; its option `topurl` says where the volume is.
        task_id, srpm, rpms, logs: as in the call.

    Raises:
        koji.GenericError: this session does not know where the volume is.
        requests.RequestException: the volume could not be asked.
    """
    names = [os.path.basename(path) for path in [srpm, *_each_noarch_once(rpms)]]
    names += _log_names(logs or {})
    return _all_exist(session, task_id, [f"task_{task_id}/{name}" for name in names])


def images_are_moved(session: Any, task_id: int, results: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether all files of `host.moveImageBuildToScratch` lie where it puts them (contract 6.9); as `are_moved`."""
    names: List[str] = []
    for result in results.values():
        if "task_id" in result:
            home, wrapped = f"task_{result['task_id']}", result.get("rpmresults")
            names += [f"{home}/{name}" for name in [*result["files"], *result["logs"]]]
            if wrapped:
                packages = [wrapped["srpm"], *wrapped["rpms"], *wrapped["logs"]]
                names += [f"{home}/rpms/{name}" for name in packages]
    return _all_exist(session, task_id, names)


def _all_exist(session: Any, task_id: int, names: Sequence[str]) -> bool:
    """Whether all of these files lie below the scratch directory of the task's owner."""
    topurl = session.opts.get("topurl")
    if not topurl:
        raise koji.GenericError("no topurl is set")
    owner = session.getUser(session.getTaskInfo(task_id)["owner"])["name"]
    return all(_exists(volume_url(topurl, f"scratch/{owner}/{name}")) for name in names)


def _each_noarch_once(rpms: Sequence[str]) -> List[str]:
    # The same noarch package may come from several arches; the hub takes one, and their names are the same.
    return list(dict.fromkeys(os.path.basename(path) for path in rpms))


def _log_names(logs: Mapping[str, Sequence[str]]) -> List[str]:
    found: List[str] = []
    for arch, paths in logs.items():
        below = f"logs/{arch}" if arch else "logs"
        found += [f"{below}/{os.path.basename(path)}" for path in paths]
    return found


def _exists(url: str) -> bool:
    response = requests.head(url, timeout=(CONNECT_SECONDS, READ_SECONDS), allow_redirects=True)
    if response.status_code not in (200, 404):
        response.raise_for_status()
    return response.status_code == 200
