"""`tagNotification` and `buildNotification`: mail about what became of builds (contract 6.11)."""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

from typing import Any, ClassVar, Dict, List, Optional

import koji
import koji.util

from kojid.tasks import mail
from kojid.tasks.base import BaseTaskHandler
from kojid.tasks.tasktree import TaskReport, TaskTree


class TagNotificationTask(BaseTaskHandler):
    """Tell people that a build was tagged, untagged or moved, or could not be."""

    Methods: ClassVar[List[str]] = ["tagNotification"]
    _taskWeight = 0.1

    def handler(
        self,
        recipients: List[str],
        is_successful: bool,
        tag_info: Any,
        from_info: Any,
        build_info: Any,
        user_info: Any,
        ignore_success: Optional[bool] = None,
        failure_msg: str = "",
    ) -> Optional[str]:
        """Send the mail.

        Args:
            recipients: mail addresses.
            is_successful: whether the operation worked.
            tag_info: the tag that the build goes into, if any.
            from_info: the tag that it leaves, if any.
            build_info: the build.
            user_info: who did it.
            ignore_success: send nothing when it worked.
            failure_msg: why it did not work.

        Returns:
            a sentence for the log, None when nothing was sent.
        """
        if not recipients or (ignore_success and is_successful):
            self.logger.debug("task %i: nobody to notify", self.id)
            return None
        build = self.session.getBuild(build_info)
        user = self.session.getUser(user_info)["name"]
        from_tag = self.session.getTag(from_info)["name"] if from_info else None
        into_tag = self.session.getTag(tag_info)["name"] if tag_info else None
        status = "complete" if is_successful else "failed"
        nvr = koji.buildLabel(build)
        sentence = f"{nvr} {_operation(is_successful, from_tag, into_tag)} by {user}"
        headers = {
            "X-Koji-Package": build["package_name"],
            "X-Koji-NVR": nvr,
            "X-Koji-Draft": build.get("draft", False),
            "X-Koji-User": user,
            "X-Koji-Status": status,
            "X-Koji-Tag": [tag for tag in (from_tag, into_tag) if tag],
        }
        body = [f"Package: {build['package_name']}", f"NVR: {nvr}", f"User: {user}", f"Status: {status}"]
        body += _tag_lines(from_tag, into_tag)
        body += [sentence]
        if not is_successful:
            body += ["Operation failed with the error:", f"    {failure_msg}"]
        message = mail.compose(self.options.from_addr, recipients, sentence, headers, "\n".join(body) + "\n")
        mail.send(self.options, recipients, message)
        return f"sent notification of tag operation {self.id} to: {', '.join(recipients)}"


def _action(from_tag: Optional[str], into_tag: Optional[str]) -> str:
    if from_tag and into_tag:
        return "moved"
    return "untagged" if from_tag else "tagged"


def _operation(is_successful: bool, from_tag: Optional[str], into_tag: Optional[str]) -> str:
    words = ["successfully" if is_successful else "unsuccessfully", _action(from_tag, into_tag)]
    if from_tag:
        words += ["from", from_tag]
    if into_tag:
        words += ["into", into_tag]
    return " ".join(words)


def _tag_lines(from_tag: Optional[str], into_tag: Optional[str]) -> List[str]:
    lines = [f"Tag Operation: {_action(from_tag, into_tag)}"]
    if from_tag:
        lines.append(f"From Tag: {from_tag}")
    if into_tag:
        lines.append(f"Into Tag: {into_tag}")
    return [*lines, ""]


class BuildNotificationTask(BaseTaskHandler):
    """Tell people that a build has ended, and how, with links to what it left."""

    Methods: ClassVar[List[str]] = ["buildNotification"]
    _taskWeight = 0.1

    def handler(
        self, recipients: List[str], build: Dict[str, Any], target: Optional[Dict[str, Any]], weburl: str
    ) -> Optional[str]:
        """Send the mail.

        Args:
            recipients: mail addresses.
            build: the build as the hub describes it.
            target: its build target, if it had one.
            weburl: base URL of the web interface.

        Returns:
            a sentence for the log, None when there was nobody to send it to.
        """
        if not recipients:
            self.logger.debug("task %i: nobody to notify", self.id)
            return None
        tree = TaskTree(self.session, build["task_id"])
        nvr, status = koji.buildLabel(build), koji.BUILD_STATES[build["state"]].lower()
        dest_tag = target["dest_tag_name"] if target else None
        canceler = self._canceler(build)
        headers = {
            "X-Koji-Tag": dest_tag,
            "X-Koji-Package": build["package_name"],
            "X-Koji-Builder": build["owner_name"],
            "X-Koji-Status": status,
            "X-Koji-Draft": build.get("draft", False),
        }
        subject = f"Package: {nvr} Tag: {dest_tag} Status: {status} Built by: {build['owner_name']}"
        body = _summary(build, dest_tag, canceler)
        body += self._changelog(build["id"])
        body += _failure(build, tree)
        body += TaskReport(tree, build, weburl, self.options.topurl).lines()
        if build["task_id"] is not None:
            body.append(f"Task Info: {weburl}/taskinfo?taskID={build['task_id']}")
        body.append(f"Build Info: {weburl}/buildinfo?buildID={build['id']}")
        message = mail.compose(self.options.from_addr, recipients, subject, headers, "\n".join(body) + "\n")
        mail.send(self.options, recipients, message)
        return f"sent notification of build {build['id']} to: {', '.join(recipients)}"

    def _canceler(self, build: Dict[str, Any]) -> Optional[str]:
        """Who canceled the build: the hub makes this task in that user's name."""
        if build["state"] != koji.BUILD_STATES["CANCELED"]:
            return None
        owner = self.session.getTaskInfo(self.id)["owner"]
        return str(self.session.getUser(owner)["name"]) if owner else None

    def _changelog(self, build_id: int) -> List[str]:
        entries = self.session.getChangelogEntries(build_id, queryOpts={"limit": 3})
        text = koji.util.formatChangelog(entries).rstrip()
        return ["Changelog:", *text.split("\n"), ""] if text else []


def _summary(build: Dict[str, Any], dest_tag: Optional[str], canceler: Optional[str]) -> List[str]:
    lines = [
        f"Package: {koji.buildLabel(build)}",
        f"Tag: {dest_tag}",
        f"Status: {koji.BUILD_STATES[build['state']].lower()}",
    ]
    if canceler:
        lines.append(f"Canceled by: {canceler}")
    return [
        *lines,
        f"Built by: {build['owner_name']}",
        f"ID: {build['id']}",
        f"Started: {koji.formatTimeLong(build['creation_ts'])}",
        f"Finished: {koji.formatTimeLong(build['completion_ts'])}",
        "",
    ]


def _failure(build: Dict[str, Any], tree: TaskTree) -> List[str]:
    if build["state"] != koji.BUILD_STATES["FAILED"]:
        return []
    failed = [f"{task.host} ({task.arch})" for task in tree.tasks if task.host and task.state == "failed"]
    hosts = dict.fromkeys(failed)  # a parent fails where its child did: each is named once
    text = tree.tasks[0].result if tree.tasks else "Unknown"
    indented = [f"  {line}" for line in text.split("\n")]
    return [f"{koji.buildLabel(build)} ({build['id']}) failed on {', '.join(hosts)}:", *indented, ""]
