"""The questions that a policy's rules can ask about an action, beside the koji library's own (all, match, has, ...)."""

from __future__ import annotations

import fnmatch
from typing import Any, Dict, List, Mapping, Optional

import koji
import koji.policy

from kojid.sandbox.hub.content import names, tags, targets
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context


class Data(Dict[str, Any]):
    """What a policy is asked about, and the call that asks.

    Args:
        ctx: the call.
        values: the action's data as contract 6.1, step 5 has it.
    """

    def __init__(self, ctx: Context, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.ctx = ctx

    def copy(self) -> Data:
        """As a dict's, the call kept: the library copies what it is given."""
        return Data(self.ctx, self)

    def user(self) -> Optional[Row]:
        """The user that the data names, else the caller; None when it is nobody."""
        user_id = self.get("user_id", self.ctx.session.user_id if self.ctx.session else None)
        found: Optional[Row] = None if user_id is None else self.ctx.call("getUser", user_id)
        return found

    def build(self) -> Optional[Row]:
        """The build that the data names, if it names one."""
        found: Optional[Row] = self.ctx.call("getBuild", self["build"], strict=True) if "build" in self else None
        return found


class _PatternTest(koji.policy.BaseSimpleTest):
    """True if any of the values that `values` finds matches any of the rule's glob patterns."""

    def run(self, data: Data) -> bool:
        """Answer for one action."""
        patterns = self.str.split()[1:]
        return any(fnmatch.fnmatch(value, pattern) for value in self.values(data) for pattern in patterns)

    def values(self, data: Data) -> List[str]:
        """What the patterns are held against."""
        raise NotImplementedError


class UserTest(_PatternTest):
    """The acting user's name."""

    name = "user"

    def values(self, data: Data) -> List[str]:
        """That name."""
        user = data.user()
        return [user["name"]] if user else []


class HasPermTest(_PatternTest):
    """The acting user's permissions."""

    name = "has_perm"

    def values(self, data: Data) -> List[str]:
        """Their names."""
        user = data.user()
        return data.ctx.call("getUserPerms", user["id"]) if user else []


class UserInGroupTest(_PatternTest):
    """The groups that the acting user is in."""

    name = "user_in_group"

    def values(self, data: Data) -> List[str]:
        """Their names."""
        user = data.user()
        return [group["name"] for group in data.ctx.call("getUserGroups", user["id"])] if user else []


class TagTest(_PatternTest):
    """The tag that the action is about (the target tag of a move)."""

    name = "tag"
    key = "tag"

    def values(self, data: Data) -> List[str]:
        """Its name."""
        tag = None if data.get(self.key) is None else tags.get_tag(data.ctx, data[self.key])
        return [tag["name"]] if tag else []


class FromTagTest(TagTest):
    """The tag that a build is taken from."""

    name = "fromtag"
    key = "fromtag"


class HasTagTest(_PatternTest):
    """The tags that hold the build."""

    name = "hastag"

    def values(self, data: Data) -> List[str]:
        """Their names."""
        build = data.build()
        return [tag["name"] for tag in tags.list_tags(data.ctx, build=build["id"])] if build else []


class BuildTagTest(_PatternTest):
    """The tag that is built in: given, or the target's."""

    name = "buildtag"

    def values(self, data: Data) -> List[str]:
        """Its name."""
        if "build_tag" in data:
            return [tags.need_tag(data.ctx, data["build_tag"], "auto")["name"]]
        target = targets.get_build_target(data.ctx, data["target"]) if data.get("target") else None
        return [target["build_tag_name"]] if target else []


class PackageTest(_PatternTest):
    """The package: given, or the build's."""

    name = "package"

    def values(self, data: Data) -> List[str]:
        """Its name."""
        if "package" in data:
            found = names.find(data.ctx, "package", data["package"])
            return [found["name"] if found else str(data["package"])]
        build = data.build()
        return [build["package_name"]] if build else []


class SourceTest(_PatternTest):
    """What is or was built from."""

    name = "source"

    def values(self, data: Data) -> List[str]:
        """The source."""
        source = data.get("source") or (data.build() or {}).get("source")
        return [source] if source else []


class OperationTest(koji.policy.MatchTest):
    """What is done to a tag: tag, untag, move."""

    name = "operation"
    field = "operation"


class MethodTest(koji.policy.MatchTest):
    """A new task's method."""

    name = "method"
    field = "method"


class ChildTaskTest(koji.policy.BoolTest):
    """Whether a new task has a parent."""

    name = "is_child_task"
    field = "parent"


class SkipTagTest(koji.policy.BoolTest):
    """Whether a build is not going to be tagged."""

    name = "skip_tag"
    field = "skip_tag"


class IsDraftTest(koji.policy.BoolTest):
    """Whether a build is a draft."""

    name = "is_draft"
    field = "draft"


class IsBuildOwnerTest(koji.policy.BaseSimpleTest):
    """Whether the acting user owns the build."""

    name = "is_build_owner"

    def run(self, data: Data) -> bool:
        """Answer for one action."""
        build, user = data.build(), data.user()
        return bool(build and user and build["owner_id"] == user["id"])


TESTS: Dict[str, Any] = {
    **koji.policy.findSimpleTests(vars(koji.policy)),
    **koji.policy.findSimpleTests(globals()),
}
