"""Permissions: which there are, who holds them, granting and revoking."""

# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords

from __future__ import annotations

from typing import Dict, List, Optional, Union

import koji

from kojid.sandbox.hub import events, queries
from kojid.sandbox.hub.database import Row
from kojid.sandbox.hub.kernel import Context, export
from kojid.sandbox.hub.sessions import permissions_of
from kojid.sandbox.hub.users import UserInfo, find_user

#: The permissions that every hub has from its first start, and what each is for.
STANDARD = {
    "admin": "everything",
    "appliance": "making appliance images",
    "build-import": "importing builds that were made elsewhere",
    "dist-repo": "making repositories for distribution",
    "host": "adding and changing build hosts",
    "image": "making images",
    "image-import": "importing images that were made elsewhere",
    "livecd": "making live CDs",
    "livemedia": "making live media",
    "maven-import": "importing Maven builds that were made elsewhere",
    "repo": "making and expiring repositories",
    "sign": "importing signatures and writing signed packages",
    "tag": "changing tags and what is in them",
    "target": "adding and changing build targets",
    "win-import": "importing Windows builds that were made elsewhere",
}


@export("hasPerm", reads=True)
def has_perm(ctx: Context, perm: str, strict: bool = False) -> bool:
    """Whether the caller holds exactly this permission.

    Raises:
        koji.GenericError: there is no such permission and `strict`.
    """
    if strict:
        queries.row_of(ctx, "permissions", perm, "permission")
    return ctx.session is not None and perm in ctx.session.permissions


@export("checkPerm", reads=True)
def check_perm(ctx: Context, perm: str) -> bool:
    """Whether the caller may do what this permission is for: it holds it, or is an admin."""
    return ctx.has_permission(perm)


@export("getPerms", reads=True)
def get_perms(ctx: Context) -> List[str]:
    """The names of the caller's permissions."""
    return list(ctx.session.permissions) if ctx.session else []


@export("getUserPerms", reads=True)
def get_user_perms(ctx: Context, userID: UserInfo = None, with_groups: bool = True) -> List[str]:
    """The names of a user's permissions, those of its groups among them unless `with_groups` is off."""
    user_id = find_user(ctx, userID)["id"]
    if with_groups:
        return permissions_of(ctx.db, user_id)
    return _own_permissions(ctx, user_id)


@export("getUserPermsInheritance", reads=True)
def get_user_perms_inheritance(ctx: Context, userID: UserInfo) -> Dict[str, List[Optional[str]]]:
    """A user's permissions and where each comes from: None is the user itself, a name a group."""
    user_id = find_user(ctx, userID)["id"]
    found: Dict[str, List[Optional[str]]] = {name: [None] for name in _own_permissions(ctx, user_id)}
    rows = ctx.db.all(
        """SELECT p.name AS permission, g.name AS user_group
             FROM user_groups ug JOIN users g ON g.id = ug.group_id
             JOIN user_perms up ON up.user_id = g.id JOIN permissions p ON p.id = up.perm_id
            WHERE ug.user_id = ? AND ug.active = 1 AND up.active = 1 ORDER BY p.id, g.id""",
        (user_id,),
    )
    for row in rows:
        found.setdefault(row["permission"], []).append(row["user_group"])
    return found


@export("getAllPerms", reads=True)
def get_all_perms(ctx: Context) -> List[Row]:
    """Every permission: [{id, name, description}]."""
    return ctx.db.all("SELECT id, name, description FROM permissions ORDER BY id")


@export("grantPermission")
def grant_permission(
    ctx: Context,
    userinfo: UserInfo,
    permission: Union[int, str],
    create: bool = False,
    description: Optional[str] = None,
) -> None:
    """Give a user a permission, which is made when missing and `create`.

    Raises:
        koji.GenericError: there is none, or the user holds it already.
    """
    ctx.require("admin")
    user = find_user(ctx, userinfo)
    if create and isinstance(permission, str):
        ensure(ctx, permission, description)
    perm = queries.row_of(ctx, "permissions", permission, "entry in table permissions")
    if not events.replace(ctx, "user_perms", {"user_id": user["id"], "perm_id": perm["id"]}):
        raise koji.GenericError(f"user {user['name']} already has permission: {perm['name']}")


@export("revokePermission")
def revoke_permission(ctx: Context, userinfo: UserInfo, permission: Union[int, str]) -> None:
    """Take a permission from a user.

    Raises:
        koji.GenericError: the user does not hold it.
    """
    ctx.require("admin")
    user = find_user(ctx, userinfo)
    perm = queries.row_of(ctx, "permissions", permission, "entry in table permissions")
    if not events.revoke(ctx, "user_perms", user_id=user["id"], perm_id=perm["id"]):
        raise koji.GenericError(f"user {user['name']} does not have permission: {perm['name']}")


@export("editPermission")
def edit_permission(ctx: Context, permission: Union[int, str], description: str) -> None:
    """Change what a permission is said to be for."""
    ctx.require("admin")
    perm = queries.row_of(ctx, "permissions", permission, "entry in table permissions")
    ctx.db.update("permissions", {"id": perm["id"]}, description=description)


def ensure(ctx: Context, name: str, description: Optional[str] = None) -> None:
    """Make a permission when it is missing."""
    if not ctx.db.one("SELECT id FROM permissions WHERE name = ?", (name,)):
        ctx.db.insert("permissions", name=name, description=description)


def _own_permissions(ctx: Context, user_id: int) -> List[str]:
    return ctx.db.values(
        """SELECT p.name FROM user_perms up JOIN permissions p ON p.id = up.perm_id
            WHERE up.active = 1 AND up.user_id = ? ORDER BY p.id""",
        (user_id,),
    )
