"""Users: looking them up, making and blocking them, their Kerberos principals and groups."""

# ruff: noqa: N803 - argument names are the ones that clients of a hub send as keywords

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Sequence, Union

import koji

from kojid.sandbox.hub import events, queries
from kojid.sandbox.hub.database import Row, marks
from kojid.sandbox.hub.kernel import Context, export

UserInfo = Union[None, int, str, Mapping[str, Any]]

_COLUMNS = "u.id, u.name, u.status, u.usertype"


@export("getUser", reads=True)
def get_user(
    ctx: Context,
    userInfo: UserInfo = None,
    strict: bool = False,
    krb_princs: bool = True,
    groups: bool = False,
) -> Optional[Row]:
    """A user by id, name, Kerberos principal, or a dict of these; without one the caller.

    Raises:
        koji.GenericError: there is none and `strict`; nobody is named and nobody logged in.
    """
    if userInfo is None:
        if ctx.session is None:
            raise koji.GenericError("No user provided")
        return get_user(ctx, ctx.session.user_id, strict, krb_princs, groups)
    condition, params = _user_condition(userInfo)
    user = ctx.db.one(f"SELECT {_COLUMNS} FROM users u WHERE {condition}", params)
    if user is None:
        if strict:
            raise koji.GenericError(f"No such user: {userInfo!r}")
        return None
    if krb_princs:
        user["krb_principals"] = principals_of(ctx, user["id"])
    if groups:
        user["groups"] = [group["name"] for group in groups_of(ctx, user["id"])]
    return user


def find_user(ctx: Context, info: UserInfo) -> Row:
    """As getUser, for something that has to exist.

    Raises:
        koji.GenericError: it does not.
    """
    user = get_user(ctx, info, strict=True)
    assert user is not None
    return user


@export("getLoggedInUser", reads=True)
def get_logged_in_user(ctx: Context) -> Optional[Row]:
    """The calling user with its authtype and first principal; None for an anonymous caller."""
    if ctx.session is None:
        return None
    user = find_user(ctx, ctx.session.user_id)
    principals = user["krb_principals"]
    return {**user, "authtype": ctx.session.authtype, "krb_principal": principals[0] if principals else None}


@export("listUsers", reads=True)
def list_users(
    ctx: Context,
    userType: Union[int, Sequence[int], None] = 0,
    prefix: Optional[str] = None,
    queryOpts: queries.QueryOpts = None,
    perm: Optional[str] = None,
    inherited_perm: bool = False,
) -> Any:
    """Users of some types (normal ones by default), whose name begins with `prefix`, who hold a permission.

    Raises:
        koji.GenericError: `inherited_perm` without `perm`, or an unknown permission.
    """
    if inherited_perm and not perm:
        raise koji.GenericError("inherited_perm option must be used with perm option")
    clauses: List[str] = ["1"]
    params: List[Any] = []
    if userType is not None:
        types = [userType] if isinstance(userType, int) else list(userType)
        clauses.append(f"u.usertype IN ({marks(types)})")
        params += types
    if prefix:
        clauses.append("u.name LIKE ? || '%'")
        params.append(prefix)
    if perm:
        perm_id = queries.row_of(ctx, "permissions", perm, "entry in table permissions")["id"]
        holder = "up.user_id = u.id"
        if inherited_perm:
            holder += " OR up.user_id IN (SELECT group_id FROM user_groups WHERE user_id = u.id AND active = 1)"
        clauses.append(f"EXISTS (SELECT 1 FROM user_perms up WHERE up.active = 1 AND up.perm_id = ? AND ({holder}))")
        params.append(perm_id)
    users = ctx.db.all(f"SELECT {_COLUMNS} FROM users u WHERE {' AND '.join(clauses)} ORDER BY u.id", params)
    for user in users:
        user["krb_principals"] = principals_of(ctx, user["id"])
    return queries.apply(users, queryOpts)


@export("createUser")
def create_user(ctx: Context, username: str, status: Optional[int] = None, krb_principal: Optional[str] = None) -> int:
    """Make a user and return its id.

    Raises:
        koji.GenericError: the name is empty, taken, or no status.
    """
    ctx.require("admin")
    if status is not None and status not in koji.USER_STATUS.values():
        raise koji.GenericError(f"Invalid status: {status}")
    return new_user(ctx, username, status=status or 0, krb_principal=krb_principal)


def new_user(
    ctx: Context, name: str, *, usertype: int = 0, status: int = 0, krb_principal: Optional[str] = None
) -> int:
    """As createUser, of any type and without looking at the caller's permissions."""
    if not name or not isinstance(name, str):
        raise koji.GenericError("a user must have a non-empty name")
    if ctx.db.one("SELECT id FROM users WHERE name = ?", (name,)):
        raise koji.GenericError(f"user already exists: {name}")
    user_id = ctx.db.insert("users", name=name, status=status, usertype=usertype)
    if krb_principal:
        ctx.db.insert("user_krb_principals", user_id=user_id, krb_principal=krb_principal)
    return user_id


@export("editUser")
def edit_user(
    ctx: Context,
    userInfo: UserInfo,
    name: Optional[str] = None,
    krb_principal_mappings: Optional[Sequence[Mapping[str, Optional[str]]]] = None,
) -> None:
    """Rename a user, or change its Kerberos principals.

    Args:
        krb_principal_mappings: {old, new} each; without `old` one is added, without `new` one is removed.

    Raises:
        koji.GenericError: the name or a new principal is taken, an old one is not the user's.
    """
    ctx.require("admin")
    user = find_user(ctx, userInfo)
    if name and name != user["name"]:
        if ctx.db.one("SELECT id FROM users WHERE name = ?", (name,)):
            raise koji.GenericError(f"Name {name} is taken")
        ctx.db.update("users", {"id": user["id"]}, name=name)
    for change in krb_principal_mappings or ():
        _change_principal(ctx, user["id"], change.get("old"), change.get("new"))


def _change_principal(ctx: Context, user_id: int, old: Optional[str], new: Optional[str]) -> None:
    if old and not ctx.db.delete("user_krb_principals", {"user_id": user_id, "krb_principal": old}):
        raise koji.GenericError(f"Cannot remove a Kerberos principal that the user does not have: {old}")
    if new:
        if ctx.db.one("SELECT user_id FROM user_krb_principals WHERE krb_principal = ?", (new,)):
            raise koji.GenericError(f"Cannot add an existing Kerberos principal: {new}")
        ctx.db.insert("user_krb_principals", user_id=user_id, krb_principal=new)


@export("enableUser")
def enable_user(ctx: Context, username: UserInfo) -> None:
    """Let a user log in."""
    _set_status(ctx, username, koji.USER_STATUS["NORMAL"])


@export("disableUser")
def disable_user(ctx: Context, username: UserInfo) -> None:
    """Let a user log in no more; its sessions end at their next call."""
    _set_status(ctx, username, koji.USER_STATUS["BLOCKED"])


@export("getUserGroups", reads=True)
def get_user_groups(ctx: Context, user: UserInfo) -> List[Row]:
    """The groups of a user: [{id, name}]."""
    return groups_of(ctx, find_user(ctx, user)["id"])


@export("newGroup")
def new_group(ctx: Context, name: str) -> int:
    """Make a group of users and return its id."""
    ctx.require("admin")
    return new_user(ctx, name, usertype=koji.USERTYPES["GROUP"])


@export("addGroupMember")
def add_group_member(ctx: Context, group: UserInfo, user: UserInfo, strict: bool = True) -> None:
    """Put a user into a group.

    Raises:
        koji.GenericError: `group` is none; the user is in it already and `strict`.
    """
    ctx.require("admin")
    members = {"group_id": _group_id(ctx, group), "user_id": find_user(ctx, user)["id"]}
    if not events.replace(ctx, "user_groups", members) and strict:
        raise koji.GenericError(f"User already in group: {user}")


@export("dropGroupMember")
def drop_group_member(ctx: Context, group: UserInfo, user: UserInfo) -> None:
    """Take a user out of a group.

    Raises:
        koji.GenericError: it is not in it.
    """
    ctx.require("admin")
    members = {"group_id": _group_id(ctx, group), "user_id": find_user(ctx, user)["id"]}
    if not events.revoke(ctx, "user_groups", **members):
        raise koji.GenericError(f"No such user in group: {group}")


@export("getGroupMembers", reads=True)
def get_group_members(ctx: Context, group: UserInfo) -> List[Row]:
    """The users of a group."""
    ids = ctx.db.values(
        "SELECT user_id FROM user_groups WHERE group_id = ? AND active = 1 ORDER BY user_id",
        (_group_id(ctx, group),),
    )
    return [find_user(ctx, user_id) for user_id in ids]


def principals_of(ctx: Context, user_id: int) -> List[str]:
    """The Kerberos principals of a user."""
    return ctx.db.values("SELECT krb_principal FROM user_krb_principals WHERE user_id = ?", (user_id,))


def groups_of(ctx: Context, user_id: int) -> List[Row]:
    """The groups that a user is in: [{id, name}]."""
    return ctx.db.all(
        """SELECT g.id, g.name FROM user_groups ug JOIN users g ON g.id = ug.group_id
            WHERE ug.user_id = ? AND ug.active = 1 ORDER BY g.id""",
        (user_id,),
    )


def _group_id(ctx: Context, group: UserInfo) -> int:
    found = find_user(ctx, group)
    if found["usertype"] != koji.USERTYPES["GROUP"]:
        raise koji.GenericError(f"Not a group: {group}")
    return int(found["id"])


def _set_status(ctx: Context, user: UserInfo, status: int) -> None:
    ctx.require("admin")
    ctx.db.update("users", {"id": find_user(ctx, user)["id"]}, status=status)


def _user_condition(info: UserInfo) -> Any:
    principal = "u.id IN (SELECT user_id FROM user_krb_principals WHERE krb_principal = ?)"
    if isinstance(info, bool) or info is None:
        raise koji.GenericError(f"Invalid type for userInfo: {type(info)}")
    if isinstance(info, int):
        return "u.id = ?", (info,)
    if isinstance(info, str):
        return f"(u.name = ? OR {principal})", (info, info)
    if not isinstance(info, Mapping):
        raise koji.GenericError(f"Invalid type for userInfo: {type(info)}")
    known = {"id": "u.id = ?", "name": "u.name = ?", "krb_principal": principal}
    given = [name for name in known if info.get(name)]
    if not given:
        raise koji.GenericError(f"No user named in {dict(info)!r}")
    return " AND ".join(known[name] for name in given), [info[name] for name in given]
