"""A build's tasks as `buildNotification` reports them: what each did, where, and where its files are to be seen.

Contract 6.11.
"""

from __future__ import annotations

import xmlrpc.client
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import quote

import koji

_STATES = ("failed", "canceled", "closed")  # in the order of the report


@dataclass
class TaskData:
    """One task.

    Args:
        info: the task as the hub describes it, with `request`.
        host: name of the host that ran it.
        result: its fault's text, or what it returned.
        logs: (file name, volume).
        rpms: names of binary packages.
        srpms: names of source packages.
        misc: the other files, as (file name, volume).
    """

    info: Dict[str, Any]
    host: Optional[str]
    result: str
    logs: List[Tuple[str, str]] = field(default_factory=list)
    rpms: List[Tuple[str, str]] = field(default_factory=list)
    srpms: List[str] = field(default_factory=list)
    misc: List[Tuple[str, str]] = field(default_factory=list)

    @property
    def state(self) -> str:
        """Its state's name in lower case."""
        return str(koji.TASK_STATES[self.info["state"]]).lower()

    @property
    def arch(self) -> str:
        """Its arch."""
        return str(self.info["arch"])

    def add_files(self, output: Dict[str, List[str]]) -> None:
        """Sort the files that the hub lists for the task."""
        for name, volumes in sorted(output.items()):
            if name.endswith(".log"):
                self.logs += [(name, volume) for volume in volumes]
            elif name.endswith(".src.rpm"):
                self.srpms.append(name)
            elif name.endswith(".rpm"):
                self.rpms += [(name, volume) for volume in volumes]
            else:
                self.misc += [(name, volume) for volume in volumes]


class TaskTree:
    """A task and all below it, the task itself first.

    Args:
        session: the hub.
        task_id: the top; one that is not there makes an empty tree, as does None: builds that were imported have none.
    """

    def __init__(self, session: Any, task_id: Optional[int]) -> None:
        self.session = session
        self.tasks: List[TaskData] = []
        if task_id is not None:
            self._add(task_id)

    def _add(self, task_id: int) -> None:
        info = self.session.getTaskInfo(task_id)
        if not info:
            return
        host = self.session.getHost(info["host_id"])["name"] if info["host_id"] else None
        task = TaskData(info, host, self._result(task_id))
        task.add_files(self.session.listTaskOutput(task_id, all_volumes=True))
        info["request"] = self.session.getTaskRequest(task_id)
        self.tasks.append(task)
        for child in self.session.getTaskChildren(task_id):
            self._add(child["id"])

    def _result(self, task_id: int) -> str:
        try:
            result = self.session.getTaskResult(task_id)
        except xmlrpc.client.Fault as fault:
            result = fault.faultString
        except koji.GenericError as error:
            result = f"{type(error).__name__}: {error}"
        return str(result or "Unknown").strip()


class TaskReport:
    """The lines of a mail about a build's tasks.

    Args:
        tree: the tasks.
        build: the build.
        weburl: base URL of the web interface.
        topurl: base URL of the Koji volume.
    """

    def __init__(self, tree: TaskTree, build: Dict[str, Any], weburl: str, topurl: str) -> None:
        self._tree = tree
        self._weburl = weburl
        self._imported: bool = build["state"] == koji.BUILD_STATES["COMPLETE"]
        self._buildurl = koji.PathInfo(topdir=topurl).build(build)

    def lines(self) -> List[str]:
        """The source packages, then the tasks by state."""
        lines: List[str] = []
        srpms = sorted({name for task in self._tree.tasks for name in task.srpms})
        if srpms:
            lines += ["SRPMS:", *(f"  {name}" for name in srpms), ""]
        for state in _STATES:
            tasks = [task for task in self._tree.tasks if task.state == state]
            if tasks:
                title = f"{state.capitalize()} tasks:"
                lines += [title, "-" * len(title), ""]
                for task in tasks:
                    lines += [*self._task(task), ""]
        return lines

    def _task(self, task: TaskData) -> List[str]:
        on_host = f" on {task.host}" if task.host else ""
        lines = [f"Task {task.info['id']}{on_host}", f"Task Type: {koji.taskLabel(task.info)}"]
        for title, urls in (
            ("logs", [self._log_url(task, *log) for log in task.logs]),
            ("rpms", [self._rpm_url(task, *rpm) for rpm in task.rpms]),
            ("misc", [self._output_url(task, *misc) for misc in task.misc]),
        ):
            if urls:
                lines += [f"{title}:", *(f" {url}" for url in urls)]
        return lines

    def _is_imported(self, task: TaskData) -> bool:
        """Whether the task's files are the build's by now: only those of the arches of a complete build are."""
        return self._imported and str(task.info["method"]) == "buildArch"

    def _log_url(self, task: TaskData, name: str, volume: str) -> str:
        if self._is_imported(task):
            return f"{self._buildurl}/data/logs/{task.info['label']}/{name}"
        return self._output_url(task, name, volume)

    def _rpm_url(self, task: TaskData, name: str, volume: str) -> str:
        if self._is_imported(task):
            return f"{self._buildurl}/{name.split('.')[-2]}/{name}"
        return self._output_url(task, name, volume)

    def _output_url(self, task: TaskData, name: str, volume: str) -> str:
        return f"{self._weburl}/getfile?taskID={task.info['id']}&name={quote(name)}&volume={quote(volume)}"
