"""The hub session and logging in, against a web server that misbehaves on demand."""

from __future__ import annotations

import datetime
import gc
import logging
import os
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Type

import koji
import pytest
import requests

from kojid.errors import HostFault, LoginError
from kojid.hub import client, probe, session
from kojid.hub.client import HubUnreachable
from kojid.hub.session import HubSession
from kojid.system import forks
from tests.support import options
from tests.support.fakehub import FakeHub, FakeSession, closed_port, fault, garbage, hang, reset, status, value

from .conftest import Authority

Serve = Callable[..., FakeHub]
SINFO: Dict[str, Any] = {"session-id": 7, "session-key": "7-key", "header-auth": True}


def open_session(hub: FakeHub, **opts: Any) -> HubSession:
    return HubSession(hub.url, {"max_retries": 3, "retry_interval": 60, **opts}, dict(SINFO))


def patient(hub: FakeHub, **opts: Any) -> HubSession:
    return open_session(hub, patient=True, **opts)


class TestCalls:
    def test_an_answer_is_returned(self, serve: Serve) -> None:
        hub = serve()
        hub.method("host.getID", lambda: 5)
        assert open_session(hub).host.getID() == 5

    def test_call_numbers_rise_and_travel_in_headers(self, serve: Serve) -> None:
        hub = serve()
        hub.method("echo", lambda *args: list(args))
        ours = open_session(hub)
        assert [ours.echo(1), ours.echo(2)] == [[1], [2]]
        assert [one.headers["Koji-Session-Callnum"] for one in hub.received] == ["0", "1"]

    def test_a_fault_becomes_the_exception_of_its_code(self, serve: Serve) -> None:
        hub = serve()
        hub.script(fault(1004, "not yours"))
        with pytest.raises(koji.ActionNotAllowed, match="not yours"):
            open_session(hub).host.openTask(1)

    def test_a_fault_is_never_repeated(self, serve: Serve, naps: List[float]) -> None:
        hub = serve()
        hub.script(fault(1, "TypeError: no"), value(1))
        with pytest.raises(koji.Fault):
            patient(hub).getTag(1)
        assert len(hub.received) == 1
        assert naps == []

    def test_the_hub_version_comes_with_the_answers(self, serve: Serve) -> None:
        hub = serve()
        hub.method("echo", lambda *args: list(args))
        ours = open_session(hub)
        ours.echo()
        assert ours.hub_version == (1, 35, 3)

    def test_several_calls_go_out_as_one(self, serve: Serve) -> None:
        hub = serve()
        hub.method("multiCall", lambda calls: [[number] for number, _ in enumerate(calls)])
        ours = open_session(hub)
        with ours.multicall(strict=True) as calls:
            first, second = calls.host.getHost(), calls.host.getHostTasks()
        assert (first.result, second.result) == (0, 1)
        assert hub.names() == ["multiCall"]

    def test_somebody_may_be_told_after_each_call(self, serve: Serve) -> None:
        hub = serve()
        hub.method("echo", lambda *args: list(args))
        ours = open_session(hub)
        told: List[str] = []
        ours.after_call = lambda name, _answer: told.append(name)
        ours.echo()
        assert told == ["echo"]


class TestTrouble:
    def test_the_daemons_session_tries_once(self, serve: Serve, naps: List[float]) -> None:
        hub = serve()
        hub.script(status(502), value(1))
        with pytest.raises(requests.HTTPError):
            open_session(hub).getTag(1)
        assert len(hub.received) == 1
        assert naps == []

    def test_a_task_repeats_a_call_under_the_same_number(self, serve: Serve, naps: List[float]) -> None:
        hub = serve()
        hub.script(status(502), garbage(), status(503), value("tag"))
        assert patient(hub).getTag(1) == "tag"
        assert {one.headers["Koji-Session-Callnum"] for one in hub.received} == {"0"}

    def test_the_pauses_grow_up_to_the_interval(self, serve: Serve, naps: List[float]) -> None:
        hub = serve()
        hub.script(*[status(503)] * 7, value("tag"))
        patient(hub, max_retries=120, retry_interval=5).getTag(1)
        assert naps[0] == 0
        for pause, wanted in zip(naps[1:], [1, 2, 4, 5, 5, 5]):
            assert wanted * 0.8 <= pause <= wanted * 1.2

    def test_an_hours_outage_is_outlasted(
        self, serve: Serve, naps: List[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = options()
        made = patient(serve(), max_retries=settings.max_retries, retry_interval=settings.retry_interval)

        def send(*_: Any) -> Any:
            if sum(naps) < 3600:
                raise requests.exceptions.ConnectionError("refused")
            return "done"

        monkeypatch.setattr(made, "_sendOneCall", send)
        assert made.callMethod("echo") == "done"

    @pytest.mark.parametrize("lasts", [True, False], ids=["in a task", "in the daemon"])
    def test_a_certificate_error_is_outlasted_by_a_task(
        self, serve: Serve, naps: List[float], monkeypatch: pytest.MonkeyPatch, lasts: bool
    ) -> None:
        """In the middle of one it is a clock that was set wrong, or a certificate that is being replaced."""
        made = open_session(serve(), patient=lasts)
        answers = [requests.exceptions.SSLError("certificate verify failed: not yet valid")] * 2

        def send(*_: Any) -> Any:
            if answers:
                raise answers.pop()
            return "done"

        monkeypatch.setattr(made, "_sendOneCall", send)
        if lasts:
            assert made.callMethod("echo") == "done"
        else:
            with pytest.raises(requests.exceptions.SSLError):
                made.callMethod("echo")

    def test_trying_ends_after_max_retries(self, serve: Serve, naps: List[float]) -> None:
        hub = serve()
        hub.script(*[status(503)] * 10)
        with pytest.raises(client.HubUnreachable, match="did not answer getTag in 4 tries: HTTP status 503") as caught:
            patient(hub, max_retries=3).getTag(1)
        assert isinstance(caught.value, HostFault)
        assert len(hub.received) == 4

    def test_a_reset_connection_is_tried_again_at_once(self, serve: Serve) -> None:
        hub = serve()
        hub.script(reset(), value("tag"))
        assert open_session(hub).getTag(1) == "tag"

    def test_an_offline_hub_is_waited_for_without_limit(self, serve: Serve, naps: List[float]) -> None:
        hub = serve()
        hub.script(*[fault(1014, "maintenance")] * 6, value("tag"))
        ours = patient(hub, max_retries=1, offline_retry=True, offline_retry_interval=10)
        assert ours.getTag(1) == "tag"
        assert len(naps) == 6
        assert max(naps) <= 12

    @pytest.mark.parametrize("opts", [{"offline_retry": False, "patient": True}, {"offline_retry": True}])
    def test_an_offline_hub_is_told_otherwise(self, serve: Serve, naps: List[float], opts: Dict[str, Any]) -> None:
        hub = serve()
        hub.script(fault(1014, "maintenance"), value("tag"))
        with pytest.raises(koji.ServerOffline):
            open_session(hub, **opts).getTag(1)
        assert naps == []

    def test_a_silent_hub_is_given_up_in_time(self, serve: Serve) -> None:
        hub = serve()
        hub.script(hang())
        start = time.monotonic()
        with pytest.raises(requests.Timeout):
            open_session(hub, timeout=0.2).getTag(1)
        assert time.monotonic() - start < 10

    def test_no_call_may_take_twelve_hours(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: List[Any] = []
        real = requests.Session.request

        def spy(self: requests.Session, *args: Any, **kwargs: Any) -> requests.Response:
            seen.append(kwargs["timeout"])
            return real(self, *args, **kwargs)

        monkeypatch.setattr(requests.Session, "request", spy)
        hub = serve()
        hub.method("echo", lambda *args: list(args))
        hub.method("host.completeBuild", lambda *args: None)
        ours = patient(hub)
        ours.echo()
        ours.host.completeBuild(1)
        ours.echo()
        open_session(hub).echo()
        assert seen == [(10, 300), (10, 3600), (10, 300), (10, 60)]

    def test_an_expired_session_is_renewed_and_the_call_made_again(self, serve: Serve, tmp_path: Path) -> None:
        hub = serve()
        hub.script(fault(1007, "session 7 has expired"), value({**SINFO, "session-key": "new"}), value("tag"))
        ours = HubSession(hub.url, {"user": "u", "password": "p"}, dict(SINFO), {"method": "login", "kwargs": {}})
        assert ours.getTag(1) == "tag"
        assert hub.names() == ["getTag", "login", "getTag"]
        assert hub.received[1].args[-1]["renew"] is True
        assert hub.received[2].headers["Koji-Session-Key"] == "new"
        numbers = [int(hub.received[place].headers["Koji-Session-Callnum"]) for place in (0, 2)]
        assert numbers[1] > numbers[0]  # the hub goes on counting

    def test_a_failed_renewal_is_tried_again_with_the_next_call(self, serve: Serve) -> None:
        hub = serve()
        expired = fault(1007, "session 7 has expired")
        hub.script(expired, fault(1014, "offline"), expired, value(SINFO), value("tag"))
        ours = HubSession(hub.url, {"user": "u", "password": "p"}, dict(SINFO), {"method": "login", "kwargs": {}})
        with pytest.raises(koji.ServerOffline):
            ours.getTag(1)
        assert ours.logged_in
        assert ours.getTag(1) == "tag"

    def test_a_tasks_renewal_outlasts_a_broken_connection(self, serve: Serve, naps: List[float]) -> None:
        hub = serve()
        hub.script(fault(1007, "session 7 has expired"), status(502), status(502), value(SINFO), value("tag"))
        opts = {"user": "u", "password": "p", "patient": True, "max_retries": 5}
        ours = HubSession(hub.url, opts, dict(SINFO), {"method": "login", "kwargs": {}})
        assert ours.getTag(1) == "tag"

    @pytest.mark.parametrize(("patient", "kind"), [(False, requests.ConnectionError), (True, HubUnreachable)])
    def test_a_renewal_that_did_not_get_through_is_no_refusal(
        self, serve: Serve, tmp_path: Path, naps: List[float], patient: bool, kind: Type[Exception]
    ) -> None:
        # The library tells every failure of a login by certificate as an AuthError, which ends the daemon.
        hub = serve()
        hub.script(fault(1007, "session 7 has expired"))
        cert = tmp_path / "client.pem"
        cert.write_text("")
        opts = {"patient": patient, "max_retries": 1}
        ours = HubSession(hub.url, opts, dict(SINFO), {"method": "ssl_login", "kwargs": {"cert": str(cert)}})
        with pytest.raises(kind):
            ours.getTag(1)  # a login by certificate goes over TLS, which this hub does not speak
        assert ours.logged_in

    def test_a_renewal_that_the_hub_refuses_is_a_refusal(self, serve: Serve) -> None:
        hub = serve()
        hub.script(fault(1007, "session 7 has expired"), fault(1002, "invalid username or password"))
        ours = HubSession(hub.url, {"user": "u", "password": "p"}, dict(SINFO), {"method": "login", "kwargs": {}})
        with pytest.raises(koji.AuthError):
            ours.getTag(1)


class TestLife:
    def test_a_subsession_is_patient_and_has_the_same_settings(self, serve: Serve) -> None:
        hub = serve()
        hub.method("subsession", lambda: {**SINFO, "session-id": 8})
        ours = open_session(hub, timeout=77)
        sub = ours.subsession()
        assert type(sub) is HubSession
        assert (sub.sinfo["session-id"], sub.opts["timeout"]) == (8, 77)
        assert sub.patient
        assert not ours.patient

    def test_dropping_a_session_does_not_log_out(self, serve: Serve) -> None:
        hub = serve()
        hub.method("echo", lambda *args: list(args))
        ours = open_session(hub)
        ours.echo()
        ours.close()
        del ours
        gc.collect()
        assert hub.names() == ["echo"]

    @pytest.mark.parametrize("secure", [False, True])
    def test_what_a_fork_has_of_its_parents_connection_serves_a_session_below_it(
        self, serve: Serve, authority: Authority, secure: bool
    ) -> None:
        hub = serve(authority.server() if secure else None)
        hub.method("echo", lambda *args: list(args))
        ours = open_session(hub, serverca=str(authority.bundle), cert=str(authority.client()))
        ours.echo("before")
        sub = ours.below({**SINFO, "session-id": 8})

        def call() -> None:
            ours.abandon()
            connection = ours.rsession
            assert sub.echo("below") == ["below"]
            assert sub.rsession is connection
            other = sub.below({**SINFO, "session-id": 9})
            assert other.echo("further") == ["further"]
            assert other.rsession is not connection

        pid = forks.fork(call, name="test")
        assert os.waitpid(pid, 0)[1] == 0
        assert ours.echo("after") == ["after"]
        clients = {request.args[0]: request.client for request in hub.received}
        assert clients["before"] == clients["after"]
        assert len({clients["before"], clients["below"], clients["further"]}) == 3

    def test_settings_overridden_for_a_while_come_back(self, serve: Serve) -> None:
        ours = open_session(serve(), timeout=1)
        with ours.overriding(timeout=2, extra=3):
            assert (ours.opts["timeout"], ours.opts["extra"]) == (2, 3)
            ours.opts["learnt"] = 4
        assert ours.opts["timeout"] == 1
        assert "extra" not in ours.opts
        assert ours.opts["learnt"] == 4


class TestOptions:
    def test_the_settings_of_the_contract_are_taken(self) -> None:
        found = session.session_options(options(user="me", password="secret", timeout=44, max_retries=9))
        assert found["user"] == "me"
        assert found["password"] == "secret"
        assert (found["timeout"], found["max_retries"], found["retry_interval"]) == (44, 9, 60)
        assert found["offline_retry"] is True
        assert found["use_fast_upload"] is True

    def test_an_unset_time_limit_is_five_minutes_and_unset_options_are_left_out(self) -> None:
        found = session.session_options(options())
        assert found["timeout"] == 300
        assert "user" not in found


def ready_hub(hub: FakeHub) -> FakeHub:
    hub.method("sslLogin", lambda proxyuser=None: SINFO)
    hub.method("login", lambda user, password, opts=None: SINFO)
    hub.method("echo", lambda *args: list(args))
    return hub


class TestCertificateLogin:
    def settings(self, authority: Authority, hub: FakeHub, **more: Any) -> Any:
        wanted = {"cert": str(authority.client()), "serverca": str(authority.bundle), "server": hub.url}
        return options(**{**wanted, **more})

    def test_it_logs_in(self, serve: Serve, authority: Authority) -> None:
        hub = ready_hub(serve(authority.server()))
        ours = session.login(self.settings(authority, hub))
        assert ours.logged_in
        assert ours.echo("OK") == ["OK"]
        assert hub.received[0].path == "/kojihub/ssllogin"
        assert not ours.patient

    def test_serverca_rules_over_the_environment(
        self, serve: Serve, authority: Authority, stranger: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
            monkeypatch.setenv(name, str(stranger.bundle))
        hub = ready_hub(serve(authority.server()))
        assert session.login(self.settings(authority, hub)).echo() == []

    def test_the_environment_helps_where_no_serverca_is_set(
        self, serve: Serve, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
        hub = ready_hub(serve(authority.server()))
        assert session.login(self.settings(authority, hub, serverca=None)).echo() == []

    def test_checks_can_be_turned_off(self, serve: Serve, authority: Authority) -> None:
        hub = ready_hub(serve(authority.server()))
        assert session.login(self.settings(authority, hub, serverca=None, no_ssl_verify=True)).echo() == []

    def test_the_wrong_authority_is_told(self, serve: Serve, authority: Authority, stranger: Authority) -> None:
        hub = ready_hub(serve(stranger.server(accepts=authority.ca)))
        with pytest.raises(LoginError, match=r"^Unable to log in: the hub's certificate is refused: .*not.* in .*ours"):
            session.login(self.settings(authority, hub))

    def test_the_wrong_host_name_is_told(self, serve: Serve, authority: Authority) -> None:
        hub = ready_hub(serve(authority.server("hub.example.com")))
        with pytest.raises(LoginError, match=r"certificate is refused: it is for another address: .*127\.0\.0\.1"):
            session.login(self.settings(authority, hub))

    def test_an_expired_certificate_of_the_hub_is_told(self, serve: Serve, authority: Authority) -> None:
        past = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
        hub = ready_hub(serve(authority.server(not_after=past)))
        with pytest.raises(LoginError, match="the hub's certificate is refused: it has expired"):
            session.login(self.settings(authority, hub))

    def test_a_client_certificate_that_the_hub_refuses_is_told(
        self, serve: Serve, authority: Authority, stranger: Authority
    ) -> None:
        hub = ready_hub(serve(authority.server(accepts=stranger.ca)))
        with pytest.raises(LoginError, match="client certificate is refused: the hub does not know the authority"):
            session.login(self.settings(authority, hub))

    def test_a_hub_that_only_hangs_up_is_told(
        self, serve: Serve, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(probe, "_ALERT_SECONDS", 0.2)
        hub = serve(authority.server())
        hub.script(reset(), reset())
        with pytest.raises(LoginError, match=r"the hub closed the connection \(it may have refused the client"):
            session.login(self.settings(authority, hub))

    def test_an_expired_client_certificate_is_told_before_anything_is_sent(
        self, serve: Serve, authority: Authority
    ) -> None:
        hub = ready_hub(serve(authority.server()))
        now = datetime.datetime.now(datetime.timezone.utc)
        old = authority.client(
            "old", not_before=now - datetime.timedelta(days=9), not_after=now - datetime.timedelta(days=2)
        )
        with pytest.raises(LoginError, match=r"client certificate .*old.pem has expired on"):
            session.login(self.settings(authority, hub, cert=str(old)))
        assert hub.received == []

    def test_a_certificate_that_expires_soon_is_logged(
        self, serve: Serve, authority: Authority, caplog: pytest.LogCaptureFixture
    ) -> None:
        hub = ready_hub(serve(authority.server()))
        soon = authority.client("soon", not_after=datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(5))
        session.login(self.settings(authority, hub, cert=str(soon)))
        (record,) = [one for one in caplog.records if "soon.pem" in one.getMessage()]
        assert record.levelno == logging.WARNING
        assert "expires within 7 days" in record.getMessage()

    def test_a_refused_connection_is_told(self, authority: Authority) -> None:
        with closed_port() as port:
            wanted = options(
                cert=str(authority.client()), serverca=str(authority.bundle), server=f"https://127.0.0.1:{port}/hub"
            )
            with pytest.raises(LoginError, match=r"Unable to log in: connection refused .*hub https://127.0.0.1"):
                session.login(wanted)

    def test_an_unknown_host_is_told(self, authority: Authority) -> None:
        wanted = options(
            cert=str(authority.client()), serverca=str(authority.bundle), server="https://no-such-hub.invalid/hub"
        )
        with pytest.raises(LoginError, match="Unable to log in: the hub's host name is unknown"):
            session.login(wanted)

    def test_a_silent_hub_is_told(self, serve: Serve, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(koji, "DEFAULT_AUTH_TIMEOUT", 1.5)
        hub = serve(authority.server())
        hub.script(hang())
        with pytest.raises(LoginError, match="Unable to log in: no answer within the time limit"):
            session.login(self.settings(authority, hub))

    def test_plain_http_at_the_hubs_port_is_told(self, serve: Serve, authority: Authority) -> None:
        hub = ready_hub(serve())
        wanted = self.settings(authority, hub, server=hub.url.replace("http:", "https:"))
        with pytest.raises(LoginError, match="the hub's port does not speak TLS"):
            session.login(wanted)

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            (garbage(), "Unable to log in: what answers there is no Koji hub"),
            (status(404), "HTTP status 404: there is no hub at this address"),
            (status(403), "HTTP status 403: .*may not accept the client certificate"),
            (status(502), "HTTP status 502: a proxy in front of the hub can't reach it"),
            (fault(1002, "No such user: builder"), "Unable to log in: No such user: builder"),
            (fault(1014, "database outage"), "Unable to log in: database outage"),
        ],
    )
    def test_the_hubs_refusal_is_told(self, serve: Serve, authority: Authority, answer: Any, told: str) -> None:
        hub = serve(authority.server())
        hub.script(answer)
        with pytest.raises(LoginError, match=told):
            session.login(self.settings(authority, hub))
        assert len(hub.received) == 1


class TestPasswordLogin:
    def test_it_logs_in_without_a_certificate(self, serve: Serve) -> None:
        hub = ready_hub(serve())
        ours = session.login(options(server=hub.url, user="kojibuilder1", password="secret"), patient=True)
        assert ours.echo("OK") == ["OK"]
        assert ours.patient
        assert hub.received[0].args[:2] == ("kojibuilder1", "secret")

    def test_a_certificate_that_is_not_there_is_passed_over(self, serve: Serve) -> None:
        hub = ready_hub(serve())
        session.login(options(server=hub.url, user="u", password="p", cert="/no/such.pem"))
        assert hub.names() == ["login"]

    def test_bad_credentials_are_told(self, serve: Serve) -> None:
        hub = serve()
        hub.script(fault(1002, "invalid username or password"))
        with pytest.raises(LoginError, match=r"^Unable to log in\. Bad credentials\? \(the hub says: invalid username"):
            session.login(options(server=hub.url, user="u", password="p"))

    def test_an_unreachable_hub_is_told(self) -> None:
        with closed_port() as port:
            wanted = options(server=f"http://127.0.0.1:{port}/hub", user="u", password="p")
            with pytest.raises(LoginError, match=r"^Unable to connect to server URL http://.*: connection refused"):
                session.login(wanted)


class TestKerberosLogin:
    @pytest.fixture
    def gssapi(self, monkeypatch: pytest.MonkeyPatch) -> List[Any]:
        """What gssapi_login was called with; the outcome may be set as the first entry."""
        calls: List[Any] = []

        def gssapi_login(self: HubSession, *args: Any) -> bool:
            calls.append((args, self.opts["max_retries"]))
            self.setSession(dict(SINFO))
            return True

        monkeypatch.setattr(koji, "reqgssapi", object())
        monkeypatch.setattr(client.HubSession, "gssapi_login", gssapi_login)
        return calls

    def settings(self, tmp_path: Path, **more: Any) -> Any:
        wanted = {"cert": None, "keytab": "/k", "ccache": str(tmp_path / "cc"), "krb_principal": None, "serverca": None}
        return options(**{**wanted, **more})

    def test_the_principal_is_made_of_the_hosts_name(
        self, gssapi: List[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("socket.getfqdn", lambda: "b1.example.com")
        session.login(self.settings(tmp_path, host_principal_format="compile/%s@EXAMPLE.COM"))
        assert gssapi == [(("compile/b1.example.com@EXAMPLE.COM", "/k", str(tmp_path / "cc")), 1)]

    def test_a_principal_that_is_set_is_used(self, gssapi: List[Any], tmp_path: Path) -> None:
        session.login(self.settings(tmp_path, krb_principal="kojid@X"))
        assert gssapi[0][0][0] == "kojid@X"

    @pytest.mark.parametrize(("content", "kept"), [(b"", False), (b"x", True)])
    def test_an_empty_credential_cache_is_removed_first(
        self, gssapi: List[Any], tmp_path: Path, content: bytes, kept: bool
    ) -> None:
        (tmp_path / "cc").write_bytes(content)
        session.login(self.settings(tmp_path))
        assert (tmp_path / "cc").exists() is kept

    def test_without_the_library_there_is_no_way_in(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(koji, "reqgssapi", None)
        with pytest.raises(LoginError, match="^No username/password/certificate supplied and Kerberos missing"):
            session.login(self.settings(tmp_path))

    def test_a_certificate_that_was_meant_is_mentioned(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(koji, "reqgssapi", None)
        with pytest.raises(LoginError, match=r"cert = /no/such\.pem is set, but there is no such file"):
            session.login(self.settings(tmp_path, cert="/no/such.pem"))

    @pytest.mark.parametrize(
        ("error", "told"),
        [
            (koji.GSSAPIAuthError("No credentials"), r"^Kerberos authentication failed: No credentials \(principal x"),
            (
                koji.GSSAPIAuthError("Cannot contact any KDC for realm"),
                "^Could not connect to Kerberos authentication service: Cannot contact any KDC",
            ),
            (ConnectionRefusedError(111, "refused"), "^Unable to connect to server URL .*: connection refused"),
        ],
    )
    def test_a_failure_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
    ) -> None:
        def fail(*_: Any) -> bool:
            raise error

        monkeypatch.setattr(koji, "reqgssapi", object())
        monkeypatch.setattr(client.HubSession, "gssapi_login", fail)
        with pytest.raises(LoginError, match=told):
            session.login(self.settings(tmp_path, krb_principal="x"))


class TestLock:
    def test_the_session_becomes_exclusive(self) -> None:
        fake = FakeSession({"exclusiveSession": None})
        session.take_lock(fake, force=True)
        assert fake.calls == [("exclusiveSession", (), {"force": True})]

    def test_a_lock_that_is_held_is_told(self) -> None:
        fake = FakeSession({"exclusiveSession": koji.AuthLockError("Already have exclusive session")})
        with pytest.raises(LoginError, match=r"^Unable to get lock\. Trying using --force-lock .*Already have"):
            session.take_lock(fake, force=False)

    def test_an_unreachable_hub_is_told(self) -> None:
        fake = FakeSession({"exclusiveSession": requests.ConnectTimeout("x")})
        with pytest.raises(LoginError, match="Unable to get lock: no connection within the time limit"):
            session.take_lock(fake, force=False)


def test_a_proxy_of_the_environment_is_used_unless_excepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    assert HubSession("https://hub/x").rsession.proxies["https"] == "http://proxy:3128"  # type: ignore[union-attr]
    monkeypatch.setenv("no_proxy", "hub")
    assert HubSession("https://hub/x").rsession.proxies == {}  # type: ignore[union-attr]
