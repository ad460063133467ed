"""Contract 3: logins, call numbers, expiry, subsessions, the lock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import koji
import pytest

from kojid.sandbox.hub.kernel import Kernel, Request
from kojid.sandbox.hub.server import open_kernel
from tests.support.sandboxhub import Caller, kernel_for_tests
from tests.support.sandboxhub import test_settings as settings_for_tests


def login(kernel: Kernel, name: str, **kwargs: Any) -> Any:
    request = Request(certificate=name, login=True)
    return kernel.call(request, "sslLogin", koji.encode_args(**kwargs))


def expire(kernel: Kernel, caller: Caller) -> None:
    with kernel.store.writing() as db:
        db.update("sessions", {"id": caller.info["session-id"]}, start_time=1.0, renew_time=None)


def test_a_certificate_names_the_user(admin: Caller) -> None:
    assert set(admin.info) == {"session-id", "session-key", "header-auth"}
    assert admin("getLoggedInUser")["name"] == "admin"
    assert admin("getLoggedInUser")["authtype"] == koji.AUTHTYPES["SSL"]


def test_without_a_certificate_at_the_login_url_nobody_is_let_in(kernel: Kernel) -> None:
    for request in (Request(login=True), Request(certificate="admin", login=False)):
        with pytest.raises(koji.AuthError, match="could not verify client"):
            kernel.call(request, "sslLogin")
    with pytest.raises(koji.AuthError, match="Unknown user: stranger"):
        login(kernel, "stranger")


def test_only_a_proxy_user_logs_in_others(tmp_path: Path) -> None:
    kernel = kernel_for_tests(tmp_path, proxy_users=("admin",))
    assert Caller.of(kernel, login(kernel, "admin", proxyuser="user"))("getLoggedInUser")["name"] == "user"
    with pytest.raises(koji.AuthError, match="not authorized"):
        login(kernel, "user", proxyuser="admin")


def test_passwords(tmp_path: Path) -> None:
    kernel = kernel_for_tests(tmp_path, passwords={"user": "secret"})
    info = kernel.call(Request(), "login", ("user", "secret"))
    assert Caller.of(kernel, info)("getLoggedInUser")["authtype"] == koji.AUTHTYPES["NORMAL"]
    for name, password in (("user", "wrong"), ("user", ""), ("admin", ""), ("stranger", "secret")):
        with pytest.raises(koji.AuthError, match="invalid username or password"):
            kernel.call(Request(), "login", (name, password))


def test_one_does_not_log_in_twice(kernel: Kernel, admin: Caller) -> None:
    with pytest.raises(koji.AuthError, match="Already logged in"):
        kernel.call(admin.request(certificate="admin", login=True), "sslLogin")


def test_a_session_needs_its_key_and_its_address(kernel: Kernel, admin: Caller) -> None:
    good = dict(admin.info)
    admin.info = {**good, "session-key": "guessed"}
    with pytest.raises(koji.AuthError, match="^Invalid session or bad credentials$"):
        admin("echo")
    admin.info, admin.address = good, "10.0.0.1"
    with pytest.raises(koji.AuthError, match="Invalid session"):
        admin("echo")
    admin.address = "127.0.0.1"
    assert admin("echo") == []


def test_the_address_does_not_matter_where_the_hub_does_not_check(tmp_path: Path) -> None:
    admin = Caller(kernel_for_tests(tmp_path, check_client_ip=False), "admin")
    admin.address = "10.0.0.1"
    assert admin("getSessionInfo", details=True)["hostip"] == "-"


def test_a_blocked_user_is_out_at_once(admin: Caller, user: Caller) -> None:
    admin("disableUser", "user")
    with pytest.raises(koji.AuthError, match="logins by user are not allowed"):
        user("echo")
    with pytest.raises(koji.AuthError, match="not allowed"):
        login(admin.kernel, "user")
    admin("enableUser", "user")
    assert user("echo") == []


def test_logging_out_ends_the_session_and_those_below(builder: Caller) -> None:
    below = Caller.of(builder.kernel, builder("subsession"))
    assert below("getSessionInfo")["master"] == builder.info["session-id"]
    builder("logout", session_id=None)
    for caller in (builder, below):
        with pytest.raises(koji.AuthError, match="Invalid session"):
            caller("echo")


def test_others_sessions_are_closed_by_owner_and_admin_only(admin: Caller, user: Caller) -> None:
    with pytest.raises(koji.ActionNotAllowed):
        user("logout", admin.info["session-id"])
    admin("logout", user.info["session-id"])
    with pytest.raises(koji.AuthError):
        user("echo")


class TestCallNumbers:
    def repeat(self, caller: Caller, method: str, *args: Any, **kwargs: Any) -> Any:
        """Make a call, and again with the same number."""
        number = caller.callnum
        caller(method, *args, **kwargs)
        caller.callnum = number
        return caller(method, *args, **kwargs)

    def test_a_call_that_changed_data_is_not_made_twice(self, admin: Caller) -> None:
        with pytest.raises(koji.RetryError) as caught:
            self.repeat(admin, "makeTask", "sleep", [1])
        assert caught.value.faultCode == 1009
        assert admin("listTasks", queryOpts={"countOnly": True}) == 1

    def test_a_call_that_changed_nothing_is(self, admin: Caller) -> None:
        assert self.repeat(admin, "getTaskInfo", 1) is None
        number = admin.callnum
        with pytest.raises(koji.GenericError):
            admin("cancelTask", 99)
        admin.callnum = number
        with pytest.raises(koji.GenericError, match="No such task"):
            admin("cancelTask", 99)

    def test_some_calls_may_be_repeated(self, builder: Caller) -> None:
        self.repeat(builder, "host.updateHost", 1.0, True)

    def test_an_overtaken_call_is_out_of_sequence(self, admin: Caller) -> None:
        admin.callnum = 10
        admin("makeTask", "sleep", [1])
        admin.callnum = 9
        with pytest.raises(koji.SequenceError) as caught:
            admin("echo")
        assert caught.value.faultCode == 1008

    def test_the_parts_of_a_multicall_share_a_number(self, admin: Caller) -> None:
        calls = [{"methodName": "makeTask", "params": ["sleep", [1]]}] * 2
        number = admin.callnum
        assert len(admin("multiCall", calls)) == 2
        admin.callnum = number
        with pytest.raises(koji.RetryError):
            admin("multiCall", calls)

    def test_older_releases_look_at_none_of_this(self, tmp_path: Path) -> None:
        admin = Caller(kernel_for_tests(tmp_path, strict_call_numbers=False), "admin")
        assert self.repeat(admin, "makeTask", "sleep", [1]) == 2


class TestExpiry:
    def test_an_expired_session_has_to_be_renewed(self, kernel: Kernel, builder: Caller) -> None:
        expire(kernel, builder)
        with pytest.raises(koji.AuthExpired) as caught:
            builder("host.getID")
        assert caught.value.faultCode == 1007
        with pytest.raises(koji.AuthExpired):
            builder("host.getID")

    def test_renewal_keeps_the_id_and_the_lock_and_changes_the_key(self, kernel: Kernel, builder: Caller) -> None:
        below = Caller.of(kernel, builder("subsession"))
        expire(kernel, builder)
        with pytest.raises(koji.AuthExpired):
            builder("host.getID")
        request = builder.request(certificate="builder", login=True)
        renewed = kernel.call(request, "sslLogin", koji.encode_args(renew=True, exclusive=True))
        assert renewed["session-id"] == builder.info["session-id"]
        assert renewed["session-key"] != builder.info["session-key"]
        builder.info = renewed
        assert builder("host.getID") == 1
        assert builder("getSessionInfo")["renew_ts"] > builder("getSessionInfo")["start_ts"] > 0
        with pytest.raises(koji.AuthExpired):
            below("host.getID")  # subsessions expire with their master and are renewed by themselves

    def test_call_numbers_go_on_after_a_renewal(self, kernel: Kernel, builder: Caller) -> None:
        for _ in range(3):
            builder("host.updateHost", 0.0, True)
        request = builder.request(certificate="builder", login=True)
        expire(kernel, builder)
        builder.info = kernel.call(request, "sslLogin", koji.encode_args(renew=True, exclusive=True))
        builder.callnum = 0
        with pytest.raises(koji.SequenceError):
            builder("host.getID")

    def test_a_subsession_is_not_renewed_when_its_master_is_closed(self, kernel: Kernel, builder: Caller) -> None:
        below = Caller.of(kernel, builder("subsession"))
        with kernel.store.writing() as db:
            db.update("sessions", {"id": builder.info["session-id"]}, closed=True)
            db.update("sessions", {"id": below.info["session-id"]}, expired=True)
        request = below.request(certificate="builder", login=True)
        assert kernel.call(request, "sslLogin", koji.encode_args(renew=True)) is None

    def test_it_can_be_turned_off(self, tmp_path: Path) -> None:
        kernel = kernel_for_tests(tmp_path, session_renewal_timeout=0)
        admin = Caller(kernel, "admin")
        expire(kernel, admin)
        assert admin("echo") == []


class TestTheLock:
    def test_a_host_needs_it(self, kernel: Kernel) -> None:
        caller = Caller(kernel, "builder")
        with pytest.raises(koji.AuthError, match="This method requires an exclusive session"):
            caller("host.getID")
        caller("exclusiveSession")
        assert caller("host.getID") == 1
        with pytest.raises(koji.GenericError, match="already exclusive"):
            caller("exclusiveSession")

    def test_a_user_is_no_host(self, kernel: Kernel) -> None:
        caller = Caller(kernel, "user", exclusive=True)
        with pytest.raises(koji.AuthError, match="is not a host"):
            caller("host.getID")

    def test_it_is_not_given_twice_even_when_the_holder_has_expired(self, kernel: Kernel, builder: Caller) -> None:
        expire(kernel, builder)
        second = Caller(kernel, "builder")
        with pytest.raises(koji.AuthLockError, match="Cannot get exclusive session") as caught:
            second("exclusiveSession")
        assert caught.value.faultCode == 1006

    def test_others_sessions_of_the_user_are_locked_out(self, kernel: Kernel, builder: Caller) -> None:
        second = Caller(kernel, "builder")
        with pytest.raises(koji.AuthLockError, match="User locked by another session"):
            second("echo")
        second("logout", session_id=None)

    def test_taken_by_force_it_closes_the_holder(self, kernel: Kernel, builder: Caller) -> None:
        below = Caller.of(kernel, builder("subsession"))
        thief = Caller(kernel, "builder", exclusive=True)
        assert thief("host.getID") == 1
        with pytest.raises(koji.AuthError, match="Invalid session or bad credentials") as caught:
            builder("echo")
        assert caught.value.faultCode == 1002
        with pytest.raises(koji.AuthLockError):
            below("host.getID")

    def test_subsessions_have_it_with_their_master_and_never_alone(self, kernel: Kernel, builder: Caller) -> None:
        below = Caller.of(kernel, builder("subsession"))
        assert below("host.getID") == 1
        with pytest.raises(koji.GenericError):
            below("exclusiveSession", force=True)
        again = Caller.of(kernel, below("subsession"))
        assert again("getSessionInfo")["master"] == builder.info["session-id"]

    def test_closing_a_child(self, kernel: Kernel, builder: Caller, admin: Caller) -> None:
        below = Caller.of(kernel, builder("subsession"))
        admin("logoutChild", below.info["session-id"])
        assert below("host.getID") == 1
        builder("logoutChild", below.info["session-id"])
        with pytest.raises(koji.AuthError):
            below("host.getID")

    def test_it_can_be_given_back(self, kernel: Kernel, builder: Caller) -> None:
        builder("sharedSession")
        Caller(kernel, "builder")("exclusiveSession")


def test_sessions_survive_a_restart_of_the_hub(tmp_path: Path) -> None:
    first = kernel_for_tests(tmp_path)
    builder = Caller(first, "builder", exclusive=True)
    below = builder("subsession")
    first.store.close()
    second = open_kernel(settings_for_tests(tmp_path))
    builder.kernel = second
    assert builder("host.getID") == 1
    assert Caller.of(second, below)("host.getID") == 1


def test_what_a_session_tells_of_itself(admin: Caller, user: Caller) -> None:
    assert set(admin("getSessionInfo", details=True)) - set(admin("getSessionInfo")) == {"id", "hostip"}
    assert [row["user_id"] for row in admin("getSessionInfo", user_id="user")] == [user("getLoggedInUser")["id"]]
    with pytest.raises(koji.ActionNotAllowed):
        user("getSessionInfo", user_id="admin")
    assert admin("showSession").startswith(f"session {admin.info['session-id']}:")
