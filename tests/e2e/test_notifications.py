"""Mail about builds and tagging, sent to a real SMTP server."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pytest

from kojid.sandbox import content
from kojid.sandbox.distro.sources import samples
from tests.support.mailserver import MailServer
from tests.support.sandbox import Daemon, Sandbox, wait_for

pytestmark = [pytest.mark.root, pytest.mark.e2e]


def test_builds_are_told_by_mail(box: Sandbox, repository: int, srpms: Path, mails: MailServer) -> None:
    good = box.submit(samples.noarch(srpms, "announced"), "announced")
    bad = box.submit(samples.noarch(srpms, "lamented", build="echo no luck; exit 1"), "lamented")
    box.closed(good)
    box.failed(bad)

    nvr = box.admin.listBuilds(taskID=good)[0]["nvr"]
    mail = wait_for(lambda: mails.about(f"Package: {nvr}"), 120)[0]
    assert mail["Subject"].strip() == f"Package: {nvr} Tag: {content.DEST_TAG} Status: complete Built by: admin"
    assert {"team@example.com", "admin@example.com"} <= set(mail["X-Envelope-To"].split(", "))
    assert mail["From"] == mail["X-Envelope-From"] == "builder@example.com"
    assert (mail["X-Koji-Package"], mail["X-Koji-Tag"]) == ("announced", content.DEST_TAG)
    assert f"{nvr}.noarch.rpm" in mail.get_content()
    links = [line.strip() for line in mail.get_content().splitlines() if "/packages/" in line]
    assert {link.rsplit("/", 1)[-1] for link in links} >= {f"{nvr}.noarch.rpm", "build.log"}
    for link in links:
        with urllib.request.urlopen(link, timeout=30) as answer:
            assert answer.status == 200

    failed = wait_for(lambda: mails.about("Package: lamented-1.0-1"), 120)[0]
    assert "Status: failed" in failed["Subject"]
    assert "error building package" in failed.get_content()


def test_a_canceled_draft_is_told_with_who_canceled_it(
    box: Sandbox, repository: int, srpms: Path, mails: MailServer
) -> None:
    task = box.submit(samples.noarch(srpms, "dropped", build="sleep 300", release="1"), "dropped", draft=True)
    build = wait_for(lambda: box.admin.listBuilds(taskID=task), 120, "the build")[0]

    box.koji("cancel", build["nvr"])

    mail = wait_for(lambda: mails.about(f"Package: {build['nvr']}"), 120)[0]
    assert (mail["X-Koji-Status"], mail["X-Koji-Draft"]) == ("canceled", "True")
    assert "Canceled by: admin" in mail.get_content()
    assert "Canceled tasks:" in mail.get_content()


def test_tagging_is_told_by_mail(box: Sandbox, repository: int, srpms: Path, mails: MailServer) -> None:
    content.add_tag(box.admin, "shelf")
    nvr = box.admin.listTagged(content.BOOTSTRAP)[0]["nvr"]
    content.add_packages(box.admin, "shelf", [box.admin.getBuild(nvr)["name"]])
    box.koji("tag-build", "--wait", "shelf", nvr)
    mail = wait_for(lambda: mails.about(f"{nvr} successfully tagged into shelf by admin"), 120)[0]
    assert mail["X-Koji-NVR"] == nvr


def test_mail_that_can_not_be_sent_is_told_as_what_it_is(box: Sandbox, builder: Daemon, repository: int) -> None:
    """Whom nobody can write to is the asker's fault; a mail server that is not there is named."""
    build = box.admin.getBuild(box.admin.listTagged(content.BOOTSTRAP)[0]["nvr"])
    mute = box.daemon("mute", smtphost="127.0.0.1:1").start()
    arguments = {
        "buildNotification": [build, None, "http://localhost/koji"],
        "tagNotification": [True, content.BOOTSTRAP, None, build["id"], "admin"],
    }
    nobody = [box.task(method, ["jürgen@example.com"], *rest) for method, rest in arguments.items()]
    unsent = [box.task(method, ["a@example.com"], *rest, channel=mute.host) for method, rest in arguments.items()]
    for task in nobody:
        assert "No mail can be sent to: jürgen@example.com" in str(box.failed(task))
    for task in unsent:
        assert "Mail could not be sent through 127.0.0.1:1" in str(box.failed(task))
