from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import Any, Dict, Iterator, List

import koji
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from hypothesis import given, settings
from hypothesis import strategies as st

from kojid.tasks import mail
from kojid.tasks.notifications import BuildNotificationTask, TagNotificationTask
from tests.support.faketask import ScriptedSession, make_handler, sequence, task_options

BUILD = {
    "id": 26,
    "name": "hello",
    "package_name": "hello",
    "version": "1.0",
    "release": "230",
    "epoch": None,
    "nvr": "hello-1.0-230",
    "owner_name": "kojiadmin",
    "state": koji.BUILD_STATES["COMPLETE"],
    "task_id": 410,
    "creation_ts": 1795377280.0,
    "completion_ts": 1795377290.0,
    "draft": False,
    "volume_name": "DEFAULT",
}
TARGET = {"name": "demo", "dest_tag_name": "demo"}
PEOPLE = ["one@example.com", "Two <two@example.com>"]


class AnyPort(Controller):
    """A controller that can start on a port of the system's choice."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        super()._trigger_server()  # type: ignore[no-untyped-call]


class Taker:
    """What aiosmtpd asks about each mail."""

    def __init__(self) -> None:
        self.envelopes: List[Any] = []
        self.refused: List[str] = []

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if address in self.refused:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.envelopes.append(envelope)
        return "250 OK"


class Mailbox:
    """A mail server on loopback and what it has taken."""

    def __init__(self, **settings: Any) -> None:
        self.taker = Taker()
        # a name of its own: it would ask the DNS otherwise
        more = {"server_hostname": "mail.example.com", **settings}
        self.controller = AnyPort(self.taker, hostname="127.0.0.1", port=0, **more)

    @property
    def envelopes(self) -> List[Any]:
        return self.taker.envelopes

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.controller.port}"

    @property
    def message(self) -> EmailMessage:
        (envelope,) = self.envelopes
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        return message

    @property
    def body(self) -> List[str]:
        return str(self.message.get_content()).splitlines()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()
    box.controller.start()
    yield box
    box.controller.stop()


@pytest.fixture
def mailing(options: Any, mailbox: Mailbox) -> Any:
    options.smtphost = mailbox.host
    return options


def task(task_id: int, method: str, state: str = "CLOSED", **more: Any) -> Dict[str, Any]:
    state_id = koji.TASK_STATES[state]
    return {
        "id": task_id,
        "method": method,
        "state": state_id,
        "arch": "noarch",
        "label": None,
        "host_id": 1,
        "owner": 1,
        **more,
    }


class Hub(ScriptedSession):
    """A hub with one build: a task and its two children."""

    def __init__(self, state: str = "CLOSED", **more: Any) -> None:
        tasks = {
            410: task(410, "build", state),
            411: task(411, "rebuildSRPM", label="srpm"),
            412: task(412, "buildArch", state, label="x86_64", arch="x86_64"),
            413: task(413, "buildNotification", "OPEN"),
        }
        output = {
            411: {"hello-1.0-230.src.rpm": ["DEFAULT"], "root.log": ["DEFAULT"]},
            412: {
                "build.log": ["DEFAULT"],
                "hello-1.0-230.x86_64.rpm": ["DEFAULT"],
                "hello-data-1.0-230.noarch.rpm": ["DEFAULT"],
                "hello-1.0-230.src.rpm": ["DEFAULT"],
                "noarch_rpmdiff.json": ["DEFAULT"],
            },
        }
        answers = {
            "getTaskInfo": lambda task_id: tasks.get(task_id),
            "getHost": {"name": "builder1"},
            "getTaskResult": None,
            "listTaskOutput": lambda task_id, all_volumes: output.get(task_id, {}),
            "getTaskRequest": ["cli-build/hello-1.0-230.src.rpm", "demo"],
            "getTaskChildren": lambda task_id: [tasks[411], tasks[412]] if task_id == 410 else [],
            "getChangelogEntries": [],
            "getUser": {"name": "kojiadmin"},
            "getBuild": BUILD,
            "getTag": lambda tag: {"name": tag},
        }
        super().__init__(answers, **more)


def notify(hub: Hub, options: Any, build: Any = None, people: Any = None) -> Any:
    params = [PEOPLE if people is None else people, build or BUILD, TARGET, "http://hub/koji"]
    return make_handler(BuildNotificationTask, "buildNotification", params, hub, options, 413).run()


class TestOfABuild:
    def test_everybody_gets_it(self, mailing: Any, mailbox: Mailbox) -> None:
        said = notify(Hub(), mailing)
        assert said == "sent notification of build 26 to: one@example.com, Two <two@example.com>"
        assert mailbox.envelopes[0].rcpt_tos == ["one@example.com", "two@example.com"]
        assert mailbox.envelopes[0].mail_from == "buildsys@example.com"
        headers = {name: value for name, value in mailbox.message.items() if name.startswith("X-")}
        assert headers == {
            "X-Koji-Tag": "demo",
            "X-Koji-Package": "hello",
            "X-Koji-Builder": "kojiadmin",
            "X-Koji-Status": "complete",
            "X-Koji-Draft": "False",
        }
        assert mailbox.message["From"] == "Koji Build System <buildsys@example.com>"
        assert mailbox.message["To"] == "one@example.com, Two <two@example.com>"
        subject = "Package: hello-1.0-230 Tag: demo Status: complete Built by: kojiadmin"
        assert mailbox.message["Subject"] == subject
        assert b"\r\n" in mailbox.envelopes[0].original_content
        assert b"\n" not in mailbox.envelopes[0].original_content.replace(b"\r\n", b"")

    def test_it_says_what_was_built_and_where_it_is(self, mailing: Any, mailbox: Mailbox) -> None:
        changes = [{"date": "2026-11-22 12:00:00", "author": "Jane <j@example.com> 1.0-1", "text": "- Grüße"}]
        notify(Hub(getChangelogEntries=changes), mailing)
        body = mailbox.body
        for line in ("Package: hello-1.0-230", "Tag: demo", "Status: complete", "Built by: kojiadmin", "ID: 26"):
            assert line in body
        assert any(line.startswith("Started: ") for line in body)
        assert body[body.index("Changelog:") + 2] == "- Grüße"
        assert body[body.index("SRPMS:") + 1] == "  hello-1.0-230.src.rpm"
        assert "Task 412 on builder1" in body
        assert "Task Info: http://hub/koji/taskinfo?taskID=410" in body
        assert "Build Info: http://hub/koji/buildinfo?buildID=26" in body

    def test_files_of_a_complete_build_are_linked_where_they_stay(self, mailing: Any, mailbox: Mailbox) -> None:
        mailing.topurl = "http://hub/kojifiles"
        notify(Hub(), mailing)
        top = "http://hub/kojifiles/packages/hello/1.0/230"
        assert f" {top}/data/logs/x86_64/build.log" in mailbox.body
        assert f" {top}/x86_64/hello-1.0-230.x86_64.rpm" in mailbox.body
        assert f" {top}/noarch/hello-data-1.0-230.noarch.rpm" in mailbox.body
        # this one the hub does not import
        assert " http://hub/koji/getfile?taskID=411&name=root.log&volume=DEFAULT" in mailbox.body
        assert " http://hub/koji/getfile?taskID=412&name=noarch_rpmdiff.json&volume=DEFAULT" in mailbox.body

    def test_a_draft_is_named_and_linked_as_one(self, mailing: Any, mailbox: Mailbox) -> None:
        mailing.topurl = "http://hub/kojifiles"
        notify(Hub(), mailing, {**BUILD, "release": "230,draft_26", "nvr": "hello-1.0-230,draft_26", "draft": True})
        assert mailbox.message["X-Koji-Draft"] == "True"
        assert "Package: hello-1.0-230,draft_26 " in mailbox.message["Subject"]
        assert " http://hub/kojifiles/packages/hello/1.0/230,draft_26/data/logs/x86_64/build.log" in mailbox.body

    def test_files_on_another_volume_are_linked_there(self, mailing: Any, mailbox: Mailbox) -> None:
        mailing.topurl = "http://hub/kojifiles"
        output = {"build.log": ["DEFAULT", "fast disk"], "hello-1.0-230.x86_64.rpm": ["DEFAULT"]}
        hub = Hub("FAILED", listTaskOutput=lambda task_id, all_volumes: output if task_id == 412 else {})
        notify(hub, mailing, {**BUILD, "state": koji.BUILD_STATES["FAILED"], "volume_name": "slow"})
        getfile = " http://hub/koji/getfile?taskID=412&name="
        start = mailbox.body.index("Task 412 on builder1")
        assert mailbox.body[start + 2 : start + 7] == [
            "logs:",
            f"{getfile}build.log&volume=DEFAULT",
            f"{getfile}build.log&volume=fast%20disk",
            "rpms:",
            f"{getfile}hello-1.0-230.x86_64.rpm&volume=DEFAULT",
        ]
        notify(Hub(), mailing, {**BUILD, "volume_name": "slow"})
        second = mailbox.envelopes.pop().content.decode()
        assert "http://hub/kojifiles/vol/slow/packages/hello/1.0/230/x86_64/hello-1.0-230.x86_64.rpm" in second

    def test_a_build_that_was_imported_has_no_tasks_to_tell_of(self, mailing: Any, mailbox: Mailbox) -> None:
        hub = Hub()
        notify(hub, mailing, {**BUILD, "task_id": None})
        assert hub.names == ["getChangelogEntries"]
        assert [line for line in mailbox.body if "Info: " in line] == [
            "Build Info: http://hub/koji/buildinfo?buildID=26"
        ]

    def test_a_build_without_target_says_so(self, mailing: Any, mailbox: Mailbox) -> None:
        params = [PEOPLE, BUILD, None, "http://hub/koji"]
        make_handler(BuildNotificationTask, "buildNotification", params, Hub(), mailing, 413).run()
        assert mailbox.message["X-Koji-Tag"] == "None"

    def test_a_failure_says_where_and_why(self, mailing: Any, mailbox: Mailbox) -> None:
        error = koji.BuildError("error building package (arch x86_64)\nsee build.log")
        failed = {**BUILD, "state": koji.BUILD_STATES["FAILED"]}
        notify(Hub("FAILED", getTaskResult=error), mailing, failed)
        body = mailbox.body
        start = body.index("hello-1.0-230 (26) failed on builder1 (noarch), builder1 (x86_64):")
        assert body[start + 1 : start + 3] == ["  BuildError: error building package (arch x86_64)", "  see build.log"]
        assert body.index("Failed tasks:") < body.index("Closed tasks:")
        assert " http://hub/koji/getfile?taskID=412&name=build.log&volume=DEFAULT" in body
        assert mailbox.message["X-Koji-Status"] == "failed"

    def test_a_cancel_says_by_whom(self, mailing: Any, mailbox: Mailbox) -> None:
        hub = Hub("CANCELED", getTaskResult=koji.GenericError("Task 410 is canceled"))
        notify(hub, mailing, {**BUILD, "state": koji.BUILD_STATES["CANCELED"], "completion_ts": None})
        assert "Canceled by: kojiadmin" in mailbox.body
        assert hub.names == sequence("buildNotification-canceled")

    def test_the_hub_is_asked_as_recorded(self, mailing: Any, mailbox: Mailbox) -> None:
        hub = Hub()
        notify(hub, mailing)
        per_task = ["getTaskInfo", "getHost", "getTaskResult", "listTaskOutput", "getTaskRequest", "getTaskChildren"]
        assert hub.names == [*per_task * 3, "getChangelogEntries"]
        assert set(hub.names) == set(sequence("buildNotification"))
        assert hub.arguments("getChangelogEntries") == [((26,), {"queryOpts": {"limit": 3}})]

    def test_nobody_to_tell_is_nothing_to_do(self, options: Any) -> None:
        hub = Hub()
        assert notify(hub, options, people=[]) is None
        assert hub.names == []


class TestOfATag:
    def notify(self, options: Any, *params: Any) -> Any:
        args = [PEOPLE, *params]
        return make_handler(TagNotificationTask, "tagNotification", args, Hub(), options, 309).run()

    @pytest.mark.parametrize(
        ("ok", "into", "out_of", "subject", "tags"),
        [
            (True, "demo", None, "hello-1.0-230 successfully tagged into demo by kojiadmin", ["demo"]),
            (True, None, "old", "hello-1.0-230 successfully untagged from old by kojiadmin", ["old"]),
            (True, "demo", "old", "hello-1.0-230 successfully moved from old into demo by kojiadmin", ["old", "demo"]),
            (False, "demo", None, "hello-1.0-230 unsuccessfully tagged into demo by kojiadmin", ["demo"]),
        ],
    )
    def test_says_what_was_done(
        self, mailing: Any, mailbox: Mailbox, ok: bool, into: Any, out_of: Any, subject: str, tags: List[str]
    ) -> None:
        said = self.notify(mailing, ok, into, out_of, 26, 1, False, "" if ok else "TagError: no")
        assert said == "sent notification of tag operation 309 to: one@example.com, Two <two@example.com>"
        message = mailbox.message
        assert message["Subject"] == subject
        assert message.get_all("X-Koji-Tag") == tags
        assert message["X-Koji-Package"] == "hello"
        assert message["X-Koji-NVR"] == "hello-1.0-230"
        assert message["X-Koji-User"] == "kojiadmin"
        assert message["X-Koji-Status"] == ("complete" if ok else "failed")
        assert message["X-Koji-Draft"] == "False"
        assert subject in mailbox.body
        assert ("    TagError: no" in mailbox.body) is (not ok)
        assert ("From Tag: old" in mailbox.body) is bool(out_of)

    def test_success_can_be_ignored(self, options: Any) -> None:
        assert self.notify(options, True, "demo", None, 26, 1, True) is None

    def test_a_failure_is_told_even_so(self, mailing: Any, mailbox: Mailbox) -> None:
        assert self.notify(mailing, False, "demo", None, 26, 1, True, "no")


class TestMail:
    def send(self, options: Any, people: List[str], subject: str = "s") -> None:
        mail.send(options, people, mail.compose(options.from_addr, people, subject, {"X-A": "a\r\nBcc: x@y"}, "body\n"))

    def test_line_breaks_do_not_make_headers(self, mailing: Any, mailbox: Mailbox) -> None:
        people = ["a@example.com\r\nRCPT TO:<evil@example.com>", "b@example.com"]
        self.send(mailing, people, "x\nBcc: evil@example.com\n\nbody")
        assert mailbox.message["Bcc"] is None
        assert mailbox.message["Subject"] == "x Bcc: evil@example.com  body"
        assert not any(address == "evil@example.com" for address in mailbox.envelopes[0].rcpt_tos)

    def test_a_name_may_be_in_any_script(self, mailing: Any, mailbox: Mailbox) -> None:
        self.send(mailing, ["Jürgen Müller <j@example.com>"], "Grüße")
        assert mailbox.envelopes[0].rcpt_tos == ["j@example.com"]
        assert mailbox.message["To"] == "Jürgen Müller <j@example.com>"
        assert mailbox.message["Subject"] == "Grüße"

    def test_one_who_is_refused_does_not_stop_the_others(self, mailing: Any, mailbox: Mailbox) -> None:
        mailbox.taker.refused = ["gone@example.com"]
        self.send(mailing, ["gone@example.com", "jürgen@example.com", "", "here@example.com"])
        assert mailbox.envelopes[0].rcpt_tos == ["here@example.com"]

    @pytest.mark.parametrize("people", [["gone@example.com"], ["jürgen@example.com"]])
    def test_nobody_left_is_a_fault(self, mailing: Any, mailbox: Mailbox, people: List[str]) -> None:
        mailbox.taker.refused = ["gone@example.com"]
        with pytest.raises(koji.GenericError, match=r"[Mm]ail c"):
            self.send(mailing, people)

    def test_a_server_that_is_not_there_is_a_fault_that_names_it(self, options: Any) -> None:
        options.smtphost = "127.0.0.1:1"
        with pytest.raises(koji.GenericError, match=r"Mail could not be sent through 127\.0\.0\.1:1: .*refused"):
            self.send(options, ["a@example.com"])

    @pytest.mark.parametrize(("password", "taken"), [("right", True), ("wrong", False)])
    def test_a_login_is_made_where_it_is_set(self, options: Any, password: str, taken: bool) -> None:
        logins = []

        def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
            logins.append((data.login, data.password))
            return AuthResult(success=data.password == b"right", handled=False)

        box = Mailbox(auth_require_tls=False, authenticator=authenticate)
        box.controller.start()
        options.smtphost, options.smtp_user, options.smtp_pass = box.host, "kojid", password
        try:
            if taken:
                self.send(options, ["a@example.com"])
            else:
                with pytest.raises(koji.GenericError, match="Mail could not be sent"):
                    self.send(options, ["a@example.com"])
        finally:
            box.controller.stop()
        assert logins[0] == (b"kojid", password.encode())
        assert len(box.envelopes) == int(taken)

    def test_a_long_subject_stays_on_its_line(self) -> None:
        subject = "Package: name-with-parts-2.10-1.el99 Tag: some-tag-candidate Status: complete Built by: somebody"
        head = mail.compose("k@example.com", ["a@example.com"], subject, {}, "body\n").as_bytes()
        assert f"\r\nSubject: {subject}\r\n".encode() in head


PERSONS = st.text(max_size=30) | st.emails() | st.builds("{} <{}>".format, st.text(max_size=30), st.emails())


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(), st.lists(PERSONS, max_size=3), st.text())
def test_whatever_people_and_packages_are_called_a_message_is_one(subject: str, people: List[str], body: str) -> None:
    message = mail.compose("k <k@example.com>", people, subject, {"X-Koji-Tag": subject}, body.replace("\udcff", ""))
    head = message.as_bytes().split(b"\r\n\r\n")[0]
    names = [line.split(b":")[0] for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
    assert set(names) <= {
        b"From", b"Subject", b"To", b"X-Koji-Tag", b"Content-Type", b"Content-Transfer-Encoding", b"MIME-Version",
    }  # fmt: skip


def test_options_are_those_of_the_daemon(tmp_path: Any) -> None:
    assert task_options(tmp_path).smtp_user is None
