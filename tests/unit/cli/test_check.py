"""What `kojid check` finds without a hub: planted mistakes, each with the line and the remedy that it tells."""

from __future__ import annotations

import datetime
import grp
import os
import pwd
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List

import koji
import pytest

from kojid.cli.checks import machine, paths, programs, report, runner
from kojid.cli.checks.base import Check, Context, Finding, fine, warn
from kojid.cli.checks.runner import Result
from kojid.cli.checks.table import TABLE
from kojid.config import loader
from kojid.daemon import drain, exporter
from kojid.repos import createrepo, merge
from kojid.sandbox.hub import authority
from kojid.sources import scmworkplace
from kojid.system import cgroups, process
from kojid.system.accounts import Credentials
from tests.support.checkscene import Planted, Scene, healthy

NOBODY = Credentials(65534, 65534, ())
ROOT = Credentials(0, 0, ())
Look = Callable[[Context], Iterable[Finding]]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A host that is fine; its users are fine too, whatever this machine has."""
    (tmp_path / "host").mkdir()
    monkeypatch.setattr(paths, "_mock_user", lambda _context: None)
    monkeypatch.setattr(process, "credentials_of", lambda _user, _group=None: ROOT)
    monkeypatch.setattr(koji, "reqgssapi", object())
    made = healthy(tmp_path / "host", monkeypatch)
    made.conf.parent.chmod(0o755)
    return made


def certificate(scene: Scene, days: float = 3650, name: str = "builder.pem") -> Path:
    authority.make_ca(scene.dir / "ca")
    ends = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) + datetime.timedelta(days=days)
    path = scene.dir / name
    path.write_bytes(authority.issue(scene.dir / "ca", "builder", not_after=ends))
    path.chmod(0o600)
    scene.set(cert=path, user=None, password=None)
    return path


def mixed_up(scene: Scene) -> None:
    """The key of one certificate with another certificate."""
    one, other = certificate(scene).read_text(), certificate(scene, name="other.pem").read_text()
    mark = "-----BEGIN CERTIFICATE-----"
    path = scene.dir / "other.pem"
    path.write_text(one.partition(mark)[0] + mark + other.partition(mark)[2])


def account(name: str, uid: int) -> Any:
    return pwd.struct_passwd((name, "x", uid, uid, "", "/", "/sbin/nologin"))


def accounts(scene: Scene, members: List[str], uid: int = 990) -> None:
    """This machine has the users kojibuilder and nobody, and the group mock with these members."""
    known = {"kojibuilder": account("kojibuilder", uid), "nobody": account("nobody", 65534), "root": account("root", 0)}
    group = grp.struct_group(("mock", "x", 135, members))
    scene.patch.setattr(pwd, "getpwnam", known.__getitem__)
    scene.patch.setattr(grp, "getgrnam", {"mock": group}.__getitem__)


def as_mock_user(scene: Scene) -> None:
    """Mock's user may do what nobody may: below pytest's directories, nothing."""
    scene.patch.setattr(paths, "_mock_user", lambda _context: NOBODY)
    scene.dir.parent.chmod(0o700)


def conf(text: str) -> Callable[[Scene], None]:
    return lambda scene: scene.more(text)


def setting(**options: Any) -> Callable[[Scene], None]:
    return lambda scene: scene.set(**options)


def made(name: str, mode: int) -> Callable[[Scene], None]:
    def plant(scene: Scene) -> None:
        path = scene.dir / name
        path.mkdir(exist_ok=True)
        path.chmod(mode)

    return plant


def not_utf8(scene: Scene) -> None:
    scene.conf.write_bytes(scene.plain().encode() + b"vendor = \xe9\n")


def readable_by_all(scene: Scene) -> None:
    scene.conf.write_text(scene.plain())
    scene.conf.chmod(0o644)


def key_of_root(scene: Scene) -> None:
    key = scene.dir / "id_ed25519"
    key.write_text("key")
    key.chmod(0o600)
    scene.set(scm_ssh_key=key)
    scene.patch.setattr(scmworkplace, "scm_credentials", lambda _options: NOBODY)


def taken_by(scene: Scene) -> None:
    (scene.dir / "work").mkdir()
    os.chown(scene.dir / "work", 65534, 65534)


def occupied(scene: Scene) -> None:
    (scene.dir / "work").write_text("")


def empty_volume(scene: Scene) -> None:
    (scene.dir / "empty").mkdir()
    scene.set(topdir=scene.dir / "empty")


def mock_says(text: str) -> Callable[[Scene], None]:
    return lambda scene: scene.set(mockpath=scene.program("sad-mock", f"#!/bin/sh\n{text}\n"))


def mock_hangs(scene: Scene) -> None:
    mock_says("exec sleep 60")(scene)
    scene.patch.setattr(programs, "_MOCK_SECONDS", 0.3)


def tool_says(module: Any, name: str, version: str) -> Callable[[Scene], None]:
    def plant(scene: Scene) -> None:
        program = scene.program(name.lower(), f"#!/bin/sh\necho 'Version: {version} (Features: )'\n")
        scene.patch.setattr(module, name, str(program))

    return plant


def no_createrepo(scene: Scene) -> None:
    scene.patch.setattr(createrepo, "CREATEREPO_C", str(scene.dir / "createrepo_c"))


def no_prometheus(scene: Scene) -> None:
    scene.set(metrics_address="9596")
    scene.patch.setattr(exporter, "_installed", lambda: False)


def no_git(scene: Scene) -> None:
    scene.set(allowed_scms="git.example.org:/*")
    scene.patch.setattr(programs.shutil, "which", lambda name, **_more: None if name == "git" else f"/usr/bin/{name}")


def no_lfs(scene: Scene) -> None:
    scene.set(allowed_scms="git.example.org:/*", scm_lfs="on")
    scene.patch.setattr(
        programs.shutil, "which", lambda name, **_more: None if name == "git-lfs" else f"/usr/bin/{name}"
    )


def unit(text: str) -> Callable[[Scene], None]:
    """What systemd says of the unit."""

    def plant(scene: Scene) -> None:
        told = f"LoadState=loaded\nDelegate=yes\nTasksMax=infinity\nKillMode=process\n{text}\n".encode()
        scene.patch.setattr(machine, "_SYSTEMD", "/")
        scene.patch.setattr(machine.process, "capture", lambda *_argv, **_more: (process.ExitStatus(0), told))

    return plant


def old_control_groups(scene: Scene) -> None:
    scene.patch.setattr(machine, "_SYSTEMD", "/")
    scene.patch.setattr(cgroups, "own", lambda: None)


def drained(scene: Scene) -> None:
    drain.begin(str(scene.dir / "state"), "new disks")


def open_certificate(scene: Scene) -> None:
    certificate(scene).chmod(0o644)


def no_authorities(scene: Scene) -> None:
    (scene.dir / "ca.crt").write_text("nothing\n")
    scene.set(serverca=scene.dir / "ca.crt")


def kerberos(**options: Any) -> Callable[[Scene], None]:
    def plant(scene: Scene) -> None:
        keytab = scene.dir / "kojid.keytab"
        keytab.write_bytes(b"\x05\x02")
        keytab.chmod(0o600)
        scene.set(user=None, password=None, keytab=keytab, krb_principal="compile/b1@EXAMPLE.ORG")
        scene.set(**options)

    return plant


def open_keytab(scene: Scene) -> None:
    kerberos()(scene)
    (scene.dir / "kojid.keytab").chmod(0o644)


def plugin(text: str) -> Callable[[Scene], None]:
    def plant(scene: Scene) -> None:
        (scene.dir / "plugins" / "mine.py").write_text(text)
        scene.set(plugin="mine")

    return plant


def runroot_says(text: str) -> Callable[[Scene], None]:
    def plant(scene: Scene) -> None:
        (scene.dir / "plugin-conf" / "runroot.conf").write_text(text)
        scene.set(plugin="runroot")

    return plant


def open_warm_directory(scene: Scene) -> None:
    directory = scene.dir / "warm"
    directory.mkdir()
    directory.chmod(0o755)
    scene.set(warm_buildroots=True, warm_buildroots_dir=directory)
    scene.patch.setattr(paths, "_is_root", lambda: True)


def full_copies(scene: Scene) -> None:
    scene.set(warm_buildroots=True)
    scene.patch.setattr(paths, "shares_blocks", lambda _one, _other: False)
    scene.patch.setattr(paths, "_is_root", lambda: True)


PLANTED = (
    Planted("no file", lambda scene: setattr(scene, "absent", True), "file", "there is no", "use -c"),
    Planted("a file in Latin-1", not_utf8, "file", "is not UTF-8 text", "as UTF-8 text"),
    Planted("a line that is none", conf("just words\n"), "syntax", "kojid.conf:{line}: this is neither",
            "NAME = VALUE"),
    Planted("an option twice", conf("minspace = 9\n"), "syntax", "the option minspace is set twice", "mend the line"),
    Planted("no section", lambda scene: setattr(scene, "text", scene.plain().partition("\n")[2]), "syntax",
            "kojid.conf:1: there is no [kojid] line", "mend the line"),
    Planted("a typing error", conf("maxjbos = 4\n"), "names", "kojid.conf:{line}: unknown config option: maxjbos",
            "did you mean maxjobs?"),
    Planted("a wrong section", conf("[koji]\nmaxjobs = 4\n"), "names", "invalid section found in config file: koji",
            "only [kojid] is read"),
    Planted("a word for a number", conf("maxjobs = many\n"), "values", "maxjobs: 'many' is not a whole number",
            "maxjobs (int): How many tasks"),
    Planted("a comment behind a value", conf("vendor = Us  ; who else\n"), "values",
            "vendor: '; who else' is taken for a part of the value", "a line of its own", 1),
    Planted("no boolean", conf("createrepo_update = perhaps\n"), "values", "'perhaps' is not a boolean",
            "createrepo_update (bool)"),
    Planted("no topurl", setting(topurl=None), "required", "the topurl option is required",
            "set it in section [kojid]"),
    Planted("a name of old", conf("krb_rdns = no\n"), "retired", "krb_rdns is no longer used", "take the line out", 1),
    Planted("a server without scheme", setting(server="hub.example.com"), "urls", "'hub.example.com' is no URL",
            "https://hub.example.com/kojihub"),
    Planted("no jobs", setting(maxjobs=0), "ranges", "maxjobs = 0: it must be at least 1", "How many tasks"),
    Planted("a very slow beat", setting(sleeptime=600), "ranges", "is not ready to the hub", "a minute or less", 1),
    Planted("a log level of its own", setting(log_level="LOUD"), "log_level", "Invalid log level: LOUD", "WARNING"),
    Planted("limits the wrong way round", setting(RLIMIT_NOFILE="4096 1024"), "limits", "above the hard one, 1024",
            "SOFT HARD"),
    Planted("an open password", readable_by_all, "secrets", "can be read by everybody and holds password",
            "chmod o=", 1),
    Planted("a relative path", setting(workdir="work"), "absolute", "workdir = work: it does not begin with /",
            "the whole path of workdir"),
    Planted("one directory for two", lambda scene: scene.set(workdir=scene.dir / "mock"), "absolute",
            "mockdir and workdir are the same", "give each its own"),
    Planted("a source without repository", setting(allowed_scms="git.example.org"), "allowed_scms",
            "'git.example.org' is ignored", "HOST:REPOSITORY"),
    Planted("mock's user missing", setting(mockuser="kojibulider"), "mockuser", "there is no user 'kojibulider'",
            "set mockuser"),
    Planted("mock's user not in its group", lambda scene: accounts(scene, []), "mockuser",
            "kojibuilder is not in the group mock", "usermod -a -G mock kojibuilder", 1),
    Planted("mock's user is root", lambda scene: accounts(scene, ["kojibuilder"], uid=0), "mockuser",
            "mockuser is root", "without privileges"),
    Planted("sources fetched as root", setting(scm_user="root"), "scm_user", "never fetched as root", "set scm_user"),
    Planted("sources fetched by mock's user", setting(scm_user="nobody", mockuser="nobody"), "scm_user",
            "scm_user is mockuser", "set scm_user to another", 1),
    Planted("a key of root's", key_of_root, "scm_files", "can't be used by nobody", "readable by scm_user"),
    Planted("no mockdir", lambda scene: scene.set(mockdir=scene.dir / "moc"), "mockdir", "moc does not exist",
            "install -d -g mock -m 2775"),
    Planted("warm roots that others can reach", open_warm_directory, "warm_buildroots", "is not the daemon's alone",
            "chmod 700"),
    Planted("warm roots without reflinks", full_copies, "warm_buildroots", "shares no blocks between files",
            "XFS (reflink=1) or btrfs", status=1),
    Planted("mock can't write", as_mock_user, "mockdir", "can't be written by kojibuilder", "chmod 2775"),
    Planted("a workdir of somebody", taken_by, "workdir", "work belongs to nobody", "chown root"),
    Planted("a workdir that is a file", occupied, "workdir", "work is no directory", "set workdir"),
    Planted("a state for all", made("state", 0o777), "state_dir", "can be written by everybody", "chmod o-w"),
    Planted("nothing mounted", empty_volume, "topdir", "the Koji volume is not mounted", "mount the Koji volume", 1),
    Planted("no volume", lambda scene: scene.set(topdir=scene.dir / "mnt"), "topdir", "no repository tasks here",
            "mount the Koji volume", 1),
    Planted("open mock configurations", made("mock-conf", 0o777), "mock_config_dir",
            "mock executes what is in it", "chmod o-w"),
    Planted("a directory for a log", lambda scene: scene.set(log_file=scene.dir), "log_file", "is a directory",
            "set log_file to a file"),
    Planted("no place for a log", lambda scene: scene.set(log_file=scene.conf / "log" / "kojid.log"), "log_file",
            "there would be no log",
            "set log_file"),
    Planted("no mock", lambda scene: scene.set(mockpath=scene.dir / "no-mock"), "mock", "no-mock does not exist",
            "install mock"),
    Planted("mock says no", mock_says("echo ERROR: not in the group >&2; exit 1"), "mock_runs",
            "mock exited with status 1 for kojibuilder: ERROR: not in the group", "in the group mock?"),
    Planted("mock elsewhere", mock_says("echo /srv/roots/kojid-check/root/"), "mock_runs", "into /srv/roots",
            "site-defaults.cfg", 1),
    Planted("mock hangs", mock_hangs, "mock_runs", "did not end within 0.3 seconds", "install mock"),
    Planted("no createrepo_c", no_createrepo, "createrepo_c", "createrepo_c is not installed", "install createrepo_c"),
    Planted("an old createrepo_c", tool_says(createrepo, "CREATEREPO_C", "0.10.0"), "createrepo_c",
            "0.10.0 is too old", "it needs 0.11.0"),
    Planted("an old mergerepo_c", tool_says(merge, "MERGEREPO_C", "0.12.1"), "mergerepo_c", "0.12.1 is too old",
            "it needs 0.13.0", 1),
    Planted("no rpm bindings", lambda scene: scene.patch.setitem(sys.modules, "rpm", None), "rpm",
            "bindings can't be loaded", "install python3-rpm"),
    Planted("no git", no_git, "scm_tools", "git is not installed", "install git"),
    Planted("no git-lfs", no_lfs, "scm_tools", "git-lfs is not installed", "take scm_lfs out"),
    Planted("metrics without a port", setting(metrics_address="localhost"), "metrics", "has no port",
            "[HOST:]PORT"),
    Planted("metrics without a library", no_prometheus, "metrics", "prometheus-client is not installed",
            "unset metrics_address", 1),
    Planted("metrics to nowhere", setting(metrics_file="/nowhere/kojid.prom"), "metrics", "its directory is not there",
            "node_exporter"),
    Planted("a full disk", setting(minspace=10**9), "room_mockdir", "Insufficient disk space at", "kojid clean"),
    Planted("no inodes", setting(mininodes=10**15), "room_workdir", "Insufficient inodes at", "lower mininodes"),
    Planted("no memory", setting(minmemory=10**9), "memory", "Insufficient memory", "lower minmemory", 1),
    Planted("control groups of old", old_control_groups, "cgroups", "version 2 is not there", "Delegate=yes", 1),
    Planted("few tasks", unit("TasksMax=512"), "unit", "TasksMax=512", "TasksMax=infinity", 1),
    Planted("a unit that kills", unit("KillMode=control-group"), "unit", "a restart of the daemon kills its tasks",
            "KillMode=process", 1),
    Planted("no unit", unit("LoadState=not-found"), "unit", "there is no unit", "daemon-reload", 1),
    Planted("a drain", drained, "drained", "Drained: new disks", "kojid undrain", 1),
    Planted("a certificate elsewhere", lambda scene: scene.set(cert=scene.dir / "gone.pem"), "method",
            "gone.pem is not there: the login would be by password", "put the certificate there"),
    Planted("a user without password", setting(password=None), "method", "without a password", "set password"),
    Planted("an open certificate", open_certificate, "certificate", "everybody can read it", "chmod 0600"),
    Planted("an old certificate", lambda scene: certificate(scene, -1), "certificate", "has expired on",
            "get a new one"),
    Planted("a certificate that ends", lambda scene: certificate(scene, 5), "certificate", "expires within 7 days",
            "have a new one made", 1),
    Planted("a key of another", mixed_up, "certificate", "does not belong to the certificate", "of one pair"),
    Planted("no authorities", no_authorities, "authorities", "there is no certificate in", "option serverca"),
    Planted("any hub is trusted", setting(no_ssl_verify="on"), "authorities", "anybody can pose as the hub",
            "set serverca", 1),
    Planted("an example realm", kerberos(krb_principal=None), "kerberos", "compile/%s@EXAMPLE.COM", "with your realm"),
    Planted("no keytab", kerberos(keytab="/nowhere/kojid.keytab"), "kerberos", "/nowhere/kojid.keytab is not there",
            "ktadd"),
    Planted("an open keytab", open_keytab, "kerberos", "everybody can read it", "chmod 0600"),
    Planted("a pluginpath to nowhere", setting(pluginpath="/nowhere"), "pluginpath", "/nowhere of pluginpath",
            "take it out", 1),
    Planted("no such plugin", setting(plugin="runrot"), "plugin", "Loading plugin runrot failed", "looked for in"),
    Planted("a broken plugin", plugin("import nothing_like_it\n"), "plugin", "No module named 'nothing_like_it'",
            "take it out"),
    Planted("a plugin that leaves", plugin("import os\nos._exit(3)\n"), "plugin",
            "mine: the process that looked exited with status 3", "take it out of the plugin option"),
    Planted("a plugin's configuration", runroot_says("[paths\n"), "plugin", "runroot.conf", "mend it"),
)  # fmt: skip
NEED_ROOT = frozenset(
    {"sources fetched as root", "a key of root's", "mock can't write", "a workdir of somebody", "mock's user is root"}
)

# What the machine that runs these tests need not have.
OF_THIS_MACHINE = frozenset({"root", "scm_user", "unit", "cgroups", "rpm", "createrepo_c", "mergerepo_c"})


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.what)
def test_a_planted_mistake_is_found_and_its_remedy_named(scene: Scene, planted: Planted) -> None:
    if planted.what in NEED_ROOT and os.geteuid() != 0:
        pytest.skip("needs root: it is about other users")
    scene.finds(planted, "--offline")


def test_at_least_forty_mistakes_are_in_the_table() -> None:
    assert len({planted.what for planted in PLANTED}) == len(PLANTED) >= 40


def test_nothing_is_wrong_with_a_healthy_host(scene: Scene) -> None:
    certificate(scene)
    accounts(scene, ["kojibuilder"])
    told = scene.check("--offline", *(check.name for check in TABLE if check.name not in OF_THIS_MACHINE))
    assert told.trouble() == []
    assert told.status == 0


def test_all_mistakes_of_a_file_are_told_in_one_run_with_their_lines(scene: Scene) -> None:
    scene.more("maxjbos = 4\njust words\n  going on\nmaxjobs = many\nminspace = 2\n[extra]\nvendor=x\n")
    told = scene.check("--offline", "syntax", "names", "values")
    places = [one["text"].partition(": ")[0].rpartition(":")[2] for one in told.trouble()]
    first = scene.next_line
    assert places == [str(first + after) for after in (1, 4, 0, 5, 3)]


def test_without_the_section_line_the_options_below_are_still_judged(scene: Scene) -> None:
    scene.text = "maxjbos = 4\n" + scene.plain()
    told = scene.check("--offline", "syntax", "names", "required")
    assert [one["name"] for one in told.trouble()] == ["syntax", "names"]


def test_where_metrics_go_is_told(scene: Scene) -> None:
    scene.patch.setattr(exporter, "_installed", lambda: True)
    scene.set(metrics_address="9596", metrics_file=scene.dir / "kojid.prom")
    assert scene.check("metrics").found[0]["text"] == f"at 9596 and {scene.dir}/kojid.prom"


def test_what_needs_the_hub_is_left_out_and_told_when_offline(scene: Scene) -> None:
    told = scene.check("--offline", "tls", "login", "host", "topurl")
    assert {one["level"] for one in told.found} == {"skipped"}
    assert all("--offline" in one["text"] for one in told.found)
    assert told.status == 0


def test_a_hub_that_is_down_costs_one_error_and_no_time(scene: Scene) -> None:
    begun = time.monotonic()
    told = scene.check("login", "host", "arches", "release")
    assert [one["level"] for one in told.found] == ["error", "skipped", "skipped", "skipped"]
    assert "connection refused" in told.found[0]["text"]
    assert time.monotonic() - begun < 20


def test_a_check_changes_nothing(scene: Scene) -> None:
    certificate(scene)
    plugin("import koji\n")(scene)
    scene.check("--offline", "file")  # writes the configuration
    before = _listing(scene.dir)
    scene.check("--offline")
    assert _listing(scene.dir) == before


def _listing(directory: Path) -> Dict[str, float]:
    return {str(path): path.lstat().st_mtime for path in sorted(directory.rglob("*"))}


def row(name: str, look: Any, **more: Any) -> Check:
    return Check("test", name, f"the {name}", "mend it", look, **more)


def carried_out(scene: Scene, *rows: Check) -> List[Result]:
    scene.conf.write_text(scene.plain())
    return list(runner.carry_out(rows, Context(loader.survey(scene.conf), scene.conf)))


def stuck(_context: Context) -> Iterable[Finding]:
    yield warn("before")
    time.sleep(60)


def broken(_context: Context) -> Iterable[Finding]:
    raise ZeroDivisionError("none")


def dead(_context: Context) -> Iterable[Finding]:
    os.kill(os.getpid(), 9)
    return ()


def test_a_row_that_gets_stuck_breaks_or_dies_is_an_error_and_the_others_go_on(scene: Scene) -> None:
    rows = [row("one", stuck, seconds=0.3), row("two", broken), row("three", dead), row("four", lambda _: [fine("x")])]
    told = [(one.name, one.level, one.text) for one in carried_out(scene, *rows)]
    assert told == [
        ("one", "warning", "before"),
        ("one", "error", "the one: no answer within 0.3 seconds"),
        ("two", "error", "the two: the check failed: ZeroDivisionError: none"),
        ("three", "error", "the three: the process that looked was killed by signal 9"),
        ("four", "ok", "x"),
    ]


def test_what_a_row_prints_does_not_get_into_the_report(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    def chatty(_context: Context) -> Iterable[Finding]:
        os.system("echo noise; echo noise >&2")
        print("noise")
        return [fine("quiet")]

    assert [one.text for one in carried_out(scene, row("chatty", chatty))] == ["quiet"]
    assert capfd.readouterr() == ("", "")


def result(level: str, text: str, remedy: str = "", section: str = "paths") -> Result:
    return Result(section, "mockdir", level, text, remedy)


def test_lines_fit_a_terminal_with_the_remedy_below() -> None:
    lines = report.Text(80, colour=False)
    shown = [*lines.lines(result("ok", "/var/lib/mock")), *lines.lines(result("error", "x " * 60, "do this " * 20))]
    assert shown[0] == "paths"
    assert shown[1] == "  ok    mockdir         /var/lib/mock"
    assert all(len(line) <= 80 for line in shown)
    assert any(line.strip().startswith("-> do this") for line in shown)


def test_each_item_is_one_line_where_there_is_no_terminal() -> None:
    lines = report.Text(None, colour=False)
    assert list(lines.lines(result("error", "x " * 60, "do\nthis")))[1:] == [
        f"  ERROR mockdir         {'x ' * 60}-> do this"
    ]


def test_colours_are_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert report.for_terminal(Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not report.for_terminal(Terminal())
    assert "\x1b" in "".join(report.Text(80, colour=True).lines(result("ok", "x")))


def test_no_password_and_nothing_that_a_terminal_obeys_is_told() -> None:
    assert report.clean("https://me:secret@hub/\x1b[31m") == "https://me:***@hub/?[31m"


def test_the_exit_status_is_that_of_the_worst_finding() -> None:
    fine_, warning, error = result("ok", ""), result("warning", ""), result("error", "")
    assert [report.status(found) for found in ([fine_], [fine_, warning], [warning, error, fine_], [])] == [0, 1, 2, 0]
    assert report.summary([fine_, warning, error, error, result("skipped", "")]) == (
        "2 errors, 1 warning, 1 fine, 1 not looked at"
    )


def test_json_has_the_documented_fields(scene: Scene) -> None:
    told = scene.check("--offline", "urls", "tls")
    assert set(told.said) == {"format", "host", "time", "config", "offline", "status", "counts", "checks"}
    assert told.said["counts"] == {"ok": 1, "warning": 0, "error": 0, "skipped": 1}
    assert set(told.found[0]) == {"section", "name", "level", "text", "remedy"}


def test_every_row_has_a_name_of_its_own_and_is_in_the_documentation() -> None:
    names = [check.name for check in TABLE]
    text = (Path(__file__).parents[3] / "docs" / "operations.md").read_text(encoding="utf-8")
    assert len(set(names)) == len(names)
    assert [name for name in names if f"`{name}`" not in text] == []


def test_an_unknown_item_is_a_usage_error(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    from kojid.cli import check

    assert check.main(["mokdir"]) == 2
    assert "no item mokdir" in capsys.readouterr().err
