"""Policies: who may do what, and which channel a task goes to. Rules are written as a hub's are; settings replace them.

The rules that ship let everyone build from an SCM and admins do the rest, like those of a hub nobody has configured.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

import koji
import koji.policy
import koji.tasks

from kojid.sandbox.hub.content import names, policytests
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export

RULES = {
    "build_rpm": "all :: allow",
    "build_from_srpm": "has_perm admin :: allow\nall :: deny only admins build from an uploaded SRPM here",
    "build_from_repo_id": "has_perm admin :: allow\nall :: deny only admins build with a repo of their choice here",
    "build_from_scm": "all :: allow",
    "package_list": "has_perm admin tag :: allow\nall :: deny needs the permission tag",
    "channel": "has req_channel :: req\nis_child_task :: parent\nall :: use default",
    "volume": "all :: DEFAULT",
    "priority": "all :: stay",
    "draft_promotion": "is_build_owner :: allow\nhas_perm admin :: allow\nall :: deny not the owner of the build",
}


def _rules(ctx: Context, name: str) -> Optional[koji.policy.SimpleRuleSet]:
    text = ctx.settings.policies.get(name, RULES.get(name))
    if text is None:
        return None
    return koji.policy.SimpleRuleSet([line for line in text.splitlines() if line.strip()], policytests.TESTS)


def evaluate(ctx: Context, name: str, data: Mapping[str, Any]) -> Optional[str]:
    """What a policy's rules give for an action; None when no rule covers it.

    Raises:
        koji.GenericError: there is no such policy.
    """
    rules = _rules(ctx, name)
    if rules is None:
        raise koji.GenericError(f"no such policy: {name}")
    result: Optional[str] = rules.apply(policytests.Data(ctx, data))
    return result


def check(
    ctx: Context, name: str, data: Mapping[str, Any], default: str = "deny", force: bool = False
) -> Tuple[bool, str]:
    """Whether a policy allows an action, and why (not).

    Args:
        ctx: the call.
        name: the policy; one that does not exist allows everything, as on a hub.
        data: what the action is (contract 6.1, step 5).
        default: what holds when no rule covers it.
        force: an admin may do it anyway.
    """
    if _rules(ctx, name) is None:
        return True, "missing policy"
    result = evaluate(ctx, name, data)
    word, _, reason = (result or default).partition(" ")
    if result is None:
        reason = "not covered by policy"
    if word.lower() == "allow":
        return True, reason
    if word.lower() != "deny":
        reason = "error in policy"
    user = policytests.Data(ctx, data).user()
    if force and user and "admin" in ctx.call("getUserPerms", user["id"]):
        return True, "overridden by force"
    return False, reason


def require(ctx: Context, name: str, data: Mapping[str, Any], default: str = "deny", force: bool = False) -> None:
    """Let an action go on only if a policy allows it.

    Raises:
        koji.ActionNotAllowed: it does not.
    """
    allowed, reason = check(ctx, name, data, default, force)
    if not allowed:
        raise koji.ActionNotAllowed(f"policy violation ({name})" + (f": {reason}" if reason else ""))


def choose_channel(
    ctx: Context,
    method: str,
    params: Sequence[Any],
    *,
    requested: Optional[names.Info] = None,
    parent: Optional[Row] = None,
    **data: Any,
) -> str:
    """The name of the channel that a new task goes to, by the policy `channel`.

    Args:
        ctx: the call.
        method: the task's method.
        params: its parameters, as the task carries them.
        requested: the channel that its maker asks for.
        parent: the parent task's row.
        data: what else rules may ask about: arch, label, owner, user_id.

    Raises:
        koji.GenericError: no such channel, a disabled one, or rules that make no sense here.
    """
    asked: Dict[str, Any] = {"method": method, **data, **task_data(ctx, method, params)}
    if parent is not None:
        asked["parent"] = parent["id"]
    if requested is not None:
        asked["req_channel"] = requested
    word, _, name = (evaluate(ctx, "channel", asked) or "use default").partition(" ")
    if word == "use" and name:
        return _enabled(ctx, name.strip())
    if word == "req" and requested is not None:
        return _enabled(ctx, requested)
    if word == "parent" and parent is not None:
        return str(names.need(ctx, "channels", parent["channel_id"])["name"])
    raise koji.GenericError("invalid channel policy")


def _enabled(ctx: Context, info: names.Info) -> str:
    channel = ctx.call("getChannel", info)
    if channel is None:
        raise koji.GenericError(f"No such channel: {info}")
    if not channel["enabled"]:
        raise koji.GenericError(f"Channel {channel['name']} is disabled.")
    return str(channel["name"])


def task_data(ctx: Context, method: str, params: Sequence[Any]) -> Dict[str, Any]:
    """What a task's parameters tell a policy: source, target, tag, build_tag, scratch."""
    try:
        known = koji.tasks.parse_task_params(method, params)
    except (TypeError, koji.ParameterError):
        return {}  # a method that only a plugin knows, or odd parameters: then the rules see the method alone
    data: Dict[str, Any] = {}
    source = next((known[key] for key in ("src", "spec_url", "url") if key in known), None)
    if isinstance(source, str) and method != "newRepo":
        data["source"] = source
    target = next((known[key] for key in ("target", "build_target", "target_info") if key in known), None)
    if target is not None:
        data["target"] = target.get("name") if isinstance(target, Mapping) else target
    for key, parameter in (("tag", "tag"), ("tag", "tag_id"), ("build_tag", "build_tag")):
        found = names.find(ctx, "tag", known[parameter]) if isinstance(known.get(parameter), (int, str)) else None
        if found is not None:
            data[key] = found["name"]
    options = known.get("opts")
    if isinstance(options, Mapping) and "scratch" in options:
        data["scratch"] = options["scratch"]
    return data


@export("evalPolicy", reads=True)
def eval_policy(ctx: Context, name: str, data: Mapping[str, Any]) -> Optional[str]:
    """What a policy gives for an action, as `evaluate`."""
    return evaluate(ctx, name, data)


@export("host.evalPolicy", reads=True)
def host_eval_policy(ctx: Context, name: str, data: Mapping[str, Any]) -> Optional[str]:
    """As evalPolicy, for a build host."""
    ctx.host()
    return evaluate(ctx, name, data)


@export("host.checkPolicy", reads=True)
def host_check_policy(
    ctx: Context, name: str, data: Mapping[str, Any], default: str = "deny", strict: bool = False
) -> Tuple[bool, str]:
    """Whether a policy allows an action, and why (not).

    Raises:
        koji.ActionNotAllowed: it does not and `strict`.
    """
    ctx.host()
    if strict:
        require(ctx, name, data, default)
    return check(ctx, name, data, default)


@export("host.assertPolicy", reads=True)
def host_assert_policy(ctx: Context, name: str, data: Mapping[str, Any], default: str = "deny") -> None:
    """Have a policy allow a host's action (contract 6.1, step 5).

    Raises:
        koji.ActionNotAllowed: it does not.
    """
    ctx.host()
    require(ctx, name, data, default)
