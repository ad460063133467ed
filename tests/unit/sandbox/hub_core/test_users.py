from __future__ import annotations

import koji
import pytest

from tests.support.sandboxhub import Caller


def test_a_user_is_found_by_id_name_and_principal(admin: Caller) -> None:
    user_id = admin("createUser", "ann", krb_principal="ann@EXAMPLE.COM")
    found = admin("getUser", "ann")
    assert found == {"id": user_id, "name": "ann", "status": 0, "usertype": 0, "krb_principals": ["ann@EXAMPLE.COM"]}
    for info in (user_id, "ann@EXAMPLE.COM", {"id": user_id}, {"name": "ann"}, {"krb_principal": "ann@EXAMPLE.COM"}):
        assert admin("getUser", info)["id"] == user_id
    assert admin("getUser", "nobody") is None
    with pytest.raises(koji.GenericError, match="No such user: 'nobody'"):
        admin("getUser", "nobody", strict=True)
    assert "krb_principals" not in admin("getUser", "ann", krb_princs=False)


def test_users_are_made_by_admins_and_once(admin: Caller, user: Caller) -> None:
    with pytest.raises(koji.ActionNotAllowed, match=r"admin permission required \(logged in as user\)"):
        user("createUser", "ann")
    admin("createUser", "ann", status=koji.USER_STATUS["BLOCKED"])
    with pytest.raises(koji.GenericError, match="already exists"):
        admin("createUser", "ann")


def test_users_are_listed_by_type_prefix_and_permission(admin: Caller) -> None:
    assert [row["name"] for row in admin("listUsers")] == ["admin", "user"]
    assert [row["name"] for row in admin("listUsers", userType=koji.USERTYPES["HOST"])] == ["builder"]
    assert [row["name"] for row in admin("listUsers", userType=None, prefix="b")] == ["builder"]
    assert [row["name"] for row in admin("listUsers", perm="admin")] == ["admin"]
    assert admin("listUsers", queryOpts={"countOnly": True}) == 2
    assert [row["name"] for row in admin("listUsers", queryOpts={"order": "-name"})] == ["user", "admin"]


def test_permissions_are_granted_and_revoked(admin: Caller, user: Caller) -> None:
    assert user("getPerms") == []
    admin("grantPermission", "user", "tag")
    assert user("hasPerm", "tag") is True
    assert user("checkPerm", "repo") is False
    assert admin("checkPerm", "repo") is True
    assert admin("hasPerm", "repo") is False
    assert admin("getUserPerms", "user") == ["tag"]
    with pytest.raises(koji.GenericError, match="already has permission"):
        admin("grantPermission", "user", "tag")
    admin("revokePermission", "user", "tag")
    assert user("getPerms") == []
    with pytest.raises(koji.GenericError, match="does not have permission"):
        admin("revokePermission", "user", "tag")


def test_a_new_permission_is_made_on_demand(admin: Caller) -> None:
    with pytest.raises(koji.GenericError):
        admin("grantPermission", "user", "baking")
    admin("grantPermission", "user", "baking", create=True, description="cakes")
    known = {row["name"]: row["description"] for row in admin("getAllPerms")}
    assert known["baking"] == "cakes"
    admin("editPermission", "baking", "bread")
    assert {row["name"]: row["description"] for row in admin("getAllPerms")}["baking"] == "bread"


def test_groups_pass_their_permissions_on(admin: Caller, user: Caller) -> None:
    group = admin("newGroup", "packagers")
    admin("addGroupMember", "packagers", "user")
    admin("grantPermission", "packagers", "tag")
    assert user("getPerms") == ["tag"]
    assert admin("getUserPerms", "user", with_groups=False) == []
    assert admin("getUserPermsInheritance", "user") == {"tag": ["packagers"]}
    assert admin("getUserGroups", "user") == [{"id": group, "name": "packagers"}]
    assert admin("getUser", "user", groups=True)["groups"] == ["packagers"]
    assert [row["name"] for row in admin("getGroupMembers", "packagers")] == ["user"]
    assert [row["name"] for row in admin("listUsers", perm="tag", inherited_perm=True)] == ["user"]
    admin("dropGroupMember", "packagers", "user")
    assert user("getPerms") == []


def test_users_are_renamed_and_have_their_principals_changed(admin: Caller) -> None:
    user_id = admin("createUser", "ann", krb_principal="ann@OLD")
    admin("editUser", "ann", name="anna", krb_principal_mappings=[{"old": "ann@OLD", "new": "anna@NEW"}])
    assert admin("getUser", user_id)["name"] == "anna"
    assert admin("getUser", user_id)["krb_principals"] == ["anna@NEW"]
    with pytest.raises(koji.GenericError, match="is taken"):
        admin("editUser", "anna", name="admin")
    for change in ({"old": "x@Y", "new": None}, {"old": None, "new": "anna@NEW"}):
        with pytest.raises(koji.GenericError, match="Kerberos principal"):
            admin("editUser", "anna", krb_principal_mappings=[change])
