"""`kojid check` on hosts of the sandbox: all fine at first, then with mistakes on the hub and on the way to it."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import datetime
import itertools
import json
import os
import re
import shutil
import socket
import ssl
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, Iterator, Tuple

import koji
import pytest

from kojid.cli import check
from kojid.hub import probe
from kojid.sandbox import configuration
from kojid.sandbox.hub import authority
from tests.support.checkscene import Planted, Scene
from tests.support.sandbox import Daemon, Sandbox, kojid_command, wait_for

pytestmark = [pytest.mark.root, pytest.mark.e2e]

NUMBERS = itertools.count(1)
Plant = Callable[["HubScene"], None]


class HubScene(Scene):
    """A host of its own on the sandbox's hub, its daemon not started.

    Args:
        box: the sandbox.
        patch: for what can't be planted.
    """

    def __init__(self, box: Sandbox, patch: Any) -> None:
        self.host = f"checked{next(NUMBERS)}"
        self.box = box
        self.daemon: Daemon = box.daemon(self.host)
        super().__init__(self.daemon.dir, self.daemon.options, patch)
        self.stack = contextlib.ExitStack()


@pytest.fixture
def scene(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubScene]:
    made = HubScene(box, monkeypatch)
    with made.stack:
        yield made


@contextlib.contextmanager
def listening(address: str = "127.0.0.1") -> Iterator[Tuple[socket.socket, str]]:
    """A socket that accepts connections and says nothing, and the URL of a hub there."""
    with socket.socket() as server:
        server.bind((address, 0))
        server.listen()
        yield server, f"https://{address}:{server.getsockname()[1]}/kojihub"


def shows(address: str = "127.0.0.1", **validity: Any) -> Plant:
    """A hub that shows a certificate of the sandbox's authority and then hangs up."""

    def plant(scene: HubScene) -> None:
        server, url = scene.stack.enter_context(listening(address))
        pem = scene.dir / "hub.pem"
        pem.write_bytes(authority.issue(scene.box.layout.ca_dir, "hub", **validity))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(str(pem))

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with context.wrap_socket(connection, server_side=True):
                    pass

        threading.Thread(target=serve, daemon=True).start()
        scene.set(server=url)

    return plant


def from_now(days: float) -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) + datetime.timedelta(days=days)


def hub_is_down(scene: HubScene) -> None:
    with listening() as (_, url):
        scene.set(server=url)


def hub_is_silent(scene: HubScene) -> None:
    _, url = scene.stack.enter_context(listening())
    scene.set(server=url)
    scene.patch.setattr(probe, "_CONNECT_SECONDS", 0.3)


def other_authority(scene: HubScene) -> None:
    scene.set(serverca=authority.make_ca(scene.dir / "other", "another CA"))


def foreign_certificate(scene: HubScene) -> None:
    authority.make_ca(scene.dir / "other", "another CA")
    scene.set(cert=authority.ensure(scene.dir / "other", scene.host))


def locked_elsewhere(scene: HubScene) -> None:
    session = koji.ClientSession(scene.options["server"], {"serverca": str(scene.options["serverca"])})
    session.ssl_login(str(scene.options["cert"]), None, str(scene.options["serverca"]))
    session.exclusiveSession()
    scene.stack.callback(session.logout)


def certificate_of(user: str) -> Plant:
    return lambda scene: scene.set(cert=authority.ensure(scene.box.layout.ca_dir, user))


def clock(seconds: float) -> Plant:
    def plant(scene: HubScene) -> None:
        scene.patch.setattr(probe, "time", SimpleNamespace(time=lambda: time.time() + seconds))

    return plant


def edited(**changes: Any) -> Plant:
    return lambda scene: scene.box.admin.editHost(scene.host, **changes)


def in_no_channel(scene: HubScene) -> None:
    scene.box.admin.removeHostFromChannel(scene.host, scene.host)


def in_a_closed_channel(scene: HubScene) -> None:
    scene.box.admin.disableChannel(scene.host)


def repositories(make: bool) -> Plant:
    """A host that makes repositories, with an empty directory or none in the place of the volume."""

    def plant(scene: HubScene) -> None:
        scene.box.admin.addHostToChannel(scene.host, "createrepo")
        scene.set(topdir=scene.dir / "volume")
        if make:
            (scene.dir / "volume").mkdir()

    return plant


PLANTED = (
    Planted("a hub that is down", hub_is_down, "tls", "connection refused", "does the hub run"),
    Planted("a hub that is silent", hub_is_silent, "tls", "no answer within the time limit", "is there a firewall?"),
    Planted("no such hub", lambda scene: scene.set(server="https://hub.invalid/kojihub"), "tls",
            "the hub's host name is unknown", "is server right"),
    Planted("another authority", other_authority, "tls", "an authority that is not in", "get the authority's"),
    Planted("the hub's certificate is old", shows(not_after=from_now(-1)), "tls", "it has expired",
            "the hub needs a new certificate"),
    Planted("the hub's certificate ends", shows(not_after=from_now(5.5)), "tls", "ends in 5 days",
            "tell the hub's administrators", 1),
    Planted("the hub's certificate is for another", shows("127.0.0.2"), "tls", "for another address",
            "the name that the hub's certificate is for"),
    Planted("a clock that is ahead", clock(4000), "clock", "s ahead of the hub's", "timedatectl set-ntp true"),
    Planted("a clock that is behind", clock(-60), "clock", "s behind the hub's", "timedatectl", 1),
    Planted("a login to nobody", hub_is_down, "login", "connection refused", "is server right"),
    Planted("a foreign certificate", foreign_certificate, "login", "the hub does not know the authority",
            "the hub must know the authority"),
    Planted("a user unknown to the hub", certificate_of("stranger"), "login", "Unable to log in", "koji add-host"),
    Planted("a blocked host", lambda scene: scene.box.admin.disableUser(scene.host), "login", "Unable to log in",
            "must be a host there"),
    Planted("a wrong password", lambda scene: scene.set(cert=None, user="checked", password="no"), "login",
            "Bad credentials?", "set user and password"),
    Planted("a daemon elsewhere", locked_elsewhere, "lock", "another kojid has the lock", "--force-lock", 1),
    Planted("a user that is no host", certificate_of("admin"), "host", "the hub has no host admin", "koji add-host"),
    Planted("a disabled host", lambda scene: scene.box.admin.disableHost(scene.host), "host", "is disabled",
            "koji enable-host checked", 1),
    Planted("other arches", edited(arches="s390x"), "arches", "the host's arches are s390x", "--arches", 1),
    Planted("no arches", edited(arches=""), "arches", "the host has no arches", "koji edit-host checked"),
    Planted("no channel", in_no_channel, "channels", "the host is in no channel", "koji add-host-to-channel checked"),
    Planted("a disabled channel", in_a_closed_channel, "channels", "is disabled", "koji enable-channel", 1),
    Planted("no capacity", edited(capacity=0.0), "capacity", "the host's capacity is 0", "--capacity"),
    Planted("the wrong scheduler", lambda scene: scene.set(scheduler="builder"), "release",
            "assigns tasks itself", "scheduler = auto", 1),
    Planted("repositories without a volume", repositories(make=False), "volume", "there is no",
            "mount the Koji volume"),
    Planted("repositories without a mount", repositories(make=True), "volume", "neither repos nor packages",
            "mount it at"),
    Planted("a wrong topurl", lambda scene: scene.set(topurl=f"{scene.options['topurl']}s"), "topurl",
            "HTTP status 404", "is topurl right"),
    Planted("no files", lambda scene: scene.set(topurl="http://127.0.0.1:9/kojifiles"), "topurl",
            "connection refused", "does that server run"),
)  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.what)
def test_a_mistake_on_the_hub_or_on_the_way_to_it_is_found(scene: HubScene, planted: Planted) -> None:
    scene.finds(planted)


@contextlib.contextmanager
def dead_mount(place: Path) -> Iterator[None]:
    """A file system that never answers, as that of a server that is gone: a FUSE one that nobody serves."""
    library = ctypes.CDLL(None, use_errno=True)
    try:
        server = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        pytest.skip(f"no /dev/fuse to make a dead mount with: {error.strerror}")
    data = f"fd={server},rootmode=40000,user_id=0,group_id=0".encode()
    try:
        if library.mount(b"dead", os.fsencode(place), b"fuse", ctypes.c_ulong(0), data) != 0:
            pytest.skip(f"no dead mount can be made: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            library.umount2(os.fsencode(place), 2)
    finally:
        os.close(server)


def test_a_dead_mount_is_told_and_the_other_rows_are_looked_at(scene: HubScene) -> None:
    volume = scene.dir / "volume"
    volume.mkdir()
    scene.set(topdir=volume)
    hasty = [dataclasses.replace(row, seconds=0.5) if row.name == "topdir" else row for row in check.TABLE]
    scene.patch.setattr(check, "TABLE", hasty)
    with dead_mount(volume):
        told = scene.check("state_dir", "topdir", "mock_config_dir", "host")
    assert [(one["name"], one["level"]) for one in told.found] == [
        ("state_dir", "ok"),
        ("topdir", "error"),
        ("mock_config_dir", "ok"),
        ("host", "ok"),
    ]
    assert told.found[1]["text"] == "the Koji volume: no answer within 0.5 seconds"
    assert told.found[1]["remedy"].startswith("mount it")


def listing(directory: Path) -> Dict[str, float]:
    return {str(path): path.lstat().st_mtime for path in sorted(directory.rglob("*"))}


def sessions(box: Sandbox, host: str) -> Any:
    return sorted(row["id"] for row in box.admin.getSessionInfo(details=True, user_id=host))


def test_on_the_sandbox_all_is_fine_and_nothing_changes(scene: HubScene) -> None:
    configuration.write_builder(scene.conf, scene.options)
    before = listing(scene.dir)
    done = kojid_command("check", "-c", str(scene.conf))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no errors, no warnings" in done.stdout
    assert "kojibuilder can run it" in done.stdout
    assert listing(scene.dir) == before
    assert sessions(scene.box, scene.host) == []


def test_a_daemon_at_work_does_not_notice(scene: HubScene) -> None:
    daemon = scene.daemon.start(ready=False)  # on a busy machine it may not be
    wait_for(lambda: daemon.lines("Sleeping for"), 60, daemon.log[-3000:])
    held = sessions(scene.box, scene.host)
    done = kojid_command("check", "-c", str(daemon.conf), "--json")
    said = json.loads(done.stdout)
    assert done.returncode == said["status"] == 0, done.stdout
    assert next(one for one in said["checks"] if one["name"] == "daemon")["text"].startswith(f"runs, pid {daemon.pid}")
    assert sessions(scene.box, scene.host) == held
    shutil.rmtree(daemon.options["mockdir"])
    assert kojid_command("check", "-c", str(daemon.conf), "mockdir").returncode == 2
    assert {one["name"]: one["text"] for one in said["checks"]}["lock"].startswith("is held, as it should be")
    assert daemon.stop() == 0
    assert not re.search("Traceback|Invalid session|AuthError", daemon.log), daemon.log
