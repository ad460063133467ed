from __future__ import annotations

import time

import koji
import pytest

from tests.support.sandboxhub import Caller


def names(rows: list[dict[str, object]]) -> list[object]:
    return [row["name"] for row in rows]


@pytest.fixture
def arm(admin: Caller) -> int:
    host_id: int = admin("addHost", "arm1", ["aarch64", "armhfp"])
    return host_id


def test_a_new_host_is_enabled_and_not_ready_in_the_default_channel(admin: Caller, arm: int) -> None:
    host = admin("getHost", "arm1")
    assert host == admin("getHost", arm)
    assert (host["arches"], host["capacity"], host["enabled"]) == ("aarch64 armhfp", 2.0, True)
    assert (host["ready"], host["task_load"], host["update_ts"]) == (False, 0.0, None)
    assert names(admin("listChannels", hostID="arm1")) == ["default"]
    assert admin("getUser", "arm1")["usertype"] == koji.USERTYPES["HOST"]
    with pytest.raises(koji.GenericError, match="host already exists"):
        admin("addHost", "arm1", ["x86_64"])


def test_the_arches_of_a_new_host_are_a_list(admin: Caller) -> None:
    """A hub joins what it gets: a text comes out letter by letter, and no arch of the host is right."""
    admin("addHost", "lettered", "ppc")
    assert admin("getHost", "lettered")["arches"] == "p p c"


def test_a_users_name_is_taken_for_a_host_by_force_only(admin: Caller) -> None:
    with pytest.raises(koji.GenericError, match="already exists and it is not a host"):
        admin("addHost", "user", ["x86_64"])
    admin("addHost", "user", ["x86_64"], force=True)
    assert admin("getUser", "user")["usertype"] == koji.USERTYPES["HOST"]


def test_hosts_are_listed_by_what_they_are(admin: Caller, builder: Caller, arm: int) -> None:
    assert names(admin("listHosts")) == ["builder", "arm1"]
    assert names(admin("listHosts", arches=["aarch64"])) == ["arm1"]
    assert names(admin("listHosts", arches="x86_64")) == ["builder"]
    assert names(admin("listHosts", arches=["arm"])) == []
    assert names(admin("listHosts", channelID="createrepo")) == ["builder"]
    assert names(admin("listHosts", ready=True)) == ["builder"]
    assert names(admin("listHosts", userID="arm1")) == ["arm1"]
    assert names(admin("listHosts", queryOpts={"order": "name"})) == ["arm1", "builder"]
    admin("disableHost", "arm1")
    assert names(admin("listHosts", enabled=False)) == ["arm1"]
    with pytest.raises(koji.GenericError):
        admin("listHosts", arches=[])
    with pytest.raises(koji.GenericError):
        admin("listHosts", channelID="nowhere")


def test_a_hosts_configuration_has_a_history(admin: Caller, arm: int) -> None:
    before = admin("getLastEvent")["id"]
    assert admin("editHost", "arm1", capacity=7, comment="slow") is True
    assert admin("editHost", "arm1", capacity=7.0) is False
    assert admin("getHost", arm)["capacity"] == 7.0
    assert admin("getHost", arm, event=before)["capacity"] == 2.0
    with pytest.raises(koji.ParameterError):
        admin("editHost", "arm1", comment=3)


def test_only_who_may_changes_hosts(user: Caller) -> None:
    for method, args in (("addHost", ["x", ["x86_64"]]), ("editHost", ["builder"]), ("disableHost", ["builder"])):
        with pytest.raises(koji.ActionNotAllowed, match="host permission required"):
            user(method, *args)


def test_channels(admin: Caller, arm: int) -> None:
    with pytest.raises(koji.GenericError, match="channel does not exist"):
        admin("addHostToChannel", "arm1", "slow")
    admin("addHostToChannel", "arm1", "slow", create=True)
    with pytest.raises(koji.GenericError, match="already subscribed"):
        admin("addHostToChannel", "arm1", "slow")
    assert names(admin("listHosts", channelID="slow")) == ["arm1"]
    admin("removeHostFromChannel", "arm1", "slow")
    with pytest.raises(koji.GenericError, match="not subscribed"):
        admin("removeHostFromChannel", "arm1", "slow")
    admin("disableChannel", "slow", comment="repairs")
    assert admin("getChannel", "slow") == {
        "id": admin("getChannel", "slow")["id"],
        "name": "slow",
        "description": None,
        "enabled": False,
        "comment": "repairs",
    }
    assert names(admin("listChannels", enabled=False)) == ["slow"]
    with pytest.raises(koji.GenericError, match="disabled"):
        admin("addHostToChannel", "arm1", "slow")
    admin("addHostToChannel", "arm1", "slow", force=True)
    admin("renameChannel", "slow", "leisurely")
    assert admin("getChannel", "slow") is None
    with pytest.raises(koji.GenericError, match="already exists"):
        admin("addChannel", "leisurely")


def test_a_report_is_seen_by_everyone(admin: Caller, builder: Caller) -> None:
    assert builder("host.updateHost", 2.5, True, data={"methods": ["sleep"], "maxjobs": 3}) is None
    host = admin("getHost", "builder")
    assert (host["task_load"], host["ready"]) == (2.5, True)
    assert abs(host["update_ts"] - time.time()) < 10
    assert host == builder("host.getHost")
    assert admin("scheduler.getHostData", host["id"])[0]["data"] == '{"maxjobs": 3, "methods": ["sleep"]}'
    builder("host.setHostData", '{"maxjobs": 4}')
    assert admin("scheduler.getHostData", host["id"])[0]["data"] == '{"maxjobs": 4}'
    assert isinstance(admin("getLastHostUpdate", host["id"]), str)
    assert abs(admin("getLastHostUpdate", host["id"], ts=True) - time.time()) < 10
    with pytest.raises(koji.ParameterError):
        builder("host.setHostData", "[1]")
