"""Packages that reach for the host: none of its files gets into an upload, nothing waits, the build ends as it should.

`planter` is a package whose scriptlet, root in the chroot, plants links, pipes, devices and second names where the
builder reads; `victim` is built with it installed, and plants more where its results are taken from.
"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from kojid.sandbox import content
from kojid.sandbox.distro.sources import samples
from kojid.sandbox.distro.sources.package import srpm
from kojid.sandbox.layout import BUILDER
from tests.support.sandbox import Daemon, Sandbox

pytestmark = [pytest.mark.root, pytest.mark.e2e]

SECRET = "none-of-the-hub's-business"
PASSWORD = "pass-of-a-url"
MACRO = "{{ cycler.__init__.__globals__.os.system('touch %s') }} {%% for x in y %%} {# note #} {{{deep}}}"
# Run by the package manager as root of the chroot; each line is on its own, some are not possible everywhere.
PLANT = """\
cd /var/log
ln -s {secret} dnf.absolute.log || :
ln -s ../../../../../../../../../..{secret} dnf.relative.log || :
mkfifo dnf.pipe.log || :
mknod dnf.zero.log c 1 5 || :
mknod dnf.kmsg.log c 1 11 || :
mkdir dnf.directory.log || :
echo 'of the chroot' > /var/dnf.original && ln /var/dnf.original dnf.second.log || :
echo 'an honest log' > dnf.honest.log
mkdir -p /builddir
ln -s {secret} /builddir/runroot.log || :
ln -s {directory} /var/tmp/host || :
ln -s {secret} /var/lib/rpm/__db.001 || :
"""
# Run by rpmbuild as the build user, where packages are taken from.
BUILD = """\
mkdir -p %{_rpmdir} %{_srcrpmdir}
ln -s SECRET %{_rpmdir}/evil-1-1.noarch.rpm
mkfifo %{_rpmdir}/pipe-1-1.noarch.rpm
ln -s SECRET %{_srcrpmdir}/evil-1-1.src.rpm
mkdir %{_rpmdir}/directory-1-1.noarch.rpm
cat > expanded <<'END'
%{hostile}
END
echo "the macro is: $(cat expanded)"
echo "the variable is: $HOSTILE"
"""


@pytest.fixture(scope="module")
def secret(shop: Sandbox) -> Path:
    path = shop.layout.dir / "secret"
    path.write_text(SECRET + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def proof(shop: Sandbox) -> Path:
    """What a template that were executed would make."""
    return shop.layout.dir / "executed"


@pytest.fixture(scope="module")
def daemon(shop: Sandbox) -> Daemon:
    return shop.daemon(BUILDER, allowed_scms="127.0.0.1*:/*:no:", allow_password_in_scm_url=True).start()


@pytest.fixture(scope="module")
def victim(shop: Sandbox, daemon: Daemon, secret: Path, proof: Path) -> int:
    """The buildArch task of the package that was built with the planter installed."""
    shop.regenerate()
    sources = shop.layout.sources / "tests"
    sources.mkdir()
    text = samples.spec("planter", head=["BuildArch: noarch"])
    text += f"\n%post\n{PLANT.format(secret=secret, directory=secret.parent)}"
    shop.closed(shop.submit(srpm(sources, "planter", text), "planter"))
    hostile = MACRO % proof
    shop.admin.editTag2(content.BUILD_TAG, extra={"rpm.macro.hostile": hostile, "rpm.env.HOSTILE": hostile})
    shop.regenerate()
    build = BUILD.replace("SECRET", str(secret))
    task = shop.submit(samples.noarch(sources, "victim", requires=["planter"], build=build), "victim")
    shop.closed(task)
    return int(shop.child(task, "buildArch")["id"])


def uploaded(shop: Sandbox, task: int) -> Path:
    return Path(shop.layout.topdir) / "work" / shop.layout.paths.taskrelpath(task)


def test_nothing_of_the_hosts_is_in_an_upload(shop: Sandbox, victim: int, secret: Path) -> None:
    everything = [path for path in Path(shop.layout.topdir).rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(everything) > 10
    assert [path for path in everything if SECRET.encode() in path.read_bytes()] == []
    assert secret.read_text() == SECRET + "\n"


def test_honest_logs_are_sent_and_planted_ones_named(shop: Sandbox, victim: int, daemon: Daemon) -> None:
    names = set(shop.admin.listTaskOutput(victim))
    assert {"dnf.honest.log", "build.log", "root.log", "mock_output.log"} <= names
    planted = ["absolute", "relative", "pipe", "zero", "kmsg", "directory", "second"]
    assert names.isdisjoint(f"dnf.{name}.log" for name in planted)
    for name in ("absolute", "relative", "pipe", "directory", "second"):
        assert daemon.lines(rf"dnf\.{name}\.log.*(not sent|names)"), name


def test_the_build_has_its_own_packages_and_no_others(shop: Sandbox, victim: int) -> None:
    build = (
        shop.admin.getBuild("victim-1.0-1.el0")
        or shop.admin.listBuilds(packageID=shop.admin.getPackageID("victim", strict=True))[0]
    )
    assert sorted((row["name"], row["arch"]) for row in shop.admin.listBuildRPMs(build["nvr"])) == [
        ("victim", "noarch"),
        ("victim", "src"),
    ]


def test_templates_in_a_tags_extra_values_reach_rpm_as_text(shop: Sandbox, victim: int, proof: Path) -> None:
    hostile = MACRO % proof
    log = shop.log(victim, "build.log")
    assert f"the macro is: {hostile}" in log
    assert "{ { cycler" in log.partition("the variable is: ")[2]
    assert not proof.exists()


def test_a_password_in_a_url_is_in_no_log_fault_or_status(shop: Sandbox, daemon: Daemon) -> None:
    repo = shop.admin.getRepo(content.BUILD_TAG) or {"id": shop.regenerate()}
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"git+http://me:{PASSWORD}@127.0.0.1:{nobody.getsockname()[1]}/a.git#HEAD"
        options = {"repo_id": repo["id"]}
        task = int(
            shop.admin.makeTask("buildSRPMFromSCM", [url, content.BUILD_TAG, options], arch=content.machine_arch())
        )
        fault = shop.failed(task)
    assert PASSWORD not in str(fault)
    assert "checkout.log" in shop.admin.listTaskOutput(task)
    written = [
        path
        for path in [*uploaded(shop, task).iterdir(), *daemon.dir.rglob("*")]
        if path.is_file() and not path.is_symlink()
    ]
    assert {"checkout.log", "status.json", f"{task}.log", "console.log"} <= {path.name for path in written}
    assert [path for path in written if PASSWORD.encode() in path.read_bytes()] == []
