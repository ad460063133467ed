"""The stand-in for mock, run as a builder runs mock: real chroots, real rpmbuild, mock's exit statuses."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Callable, Iterator, List, Set

import koji
import pytest
import rpm

from kojid.sandbox import distro
from kojid.sandbox.distro import Distribution
from kojid.sandbox.distro.sources import samples
from kojid.sandbox.mock.installation import USER
from tests.support.distribution import (  # noqa: F401  # fixtures
    MockHost,
    distribution,
    mock_host,
    open_directory,
    repository,
)

pytestmark = [pytest.mark.root, pytest.mark.e2e]
NAME = "standin-1-1"


@pytest.fixture(scope="module")
def host(mock_host: MockHost) -> MockHost:  # noqa: F811
    return mock_host


@pytest.fixture(scope="module")
def config(host: MockHost) -> Path:
    """A root that is initialized."""
    path = host.config(NAME, rpmbuild_timeout=300)
    done = host.run(path, "--init")
    assert done.returncode == 0, done.stdout
    return path


@pytest.fixture(scope="module")
def srpms(open_directory: Path) -> Path:  # noqa: F811
    return open_directory / "srpms"


def rpms(directory: Path) -> Set[str]:
    return {path.name for path in directory.glob("*.rpm")}


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def processes_in(root: Path) -> List[int]:
    """The processes whose root directory is the chroot."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.readlink(entry / "root") == str(root):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def mounts_below(directory: Path) -> List[str]:
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(directory) in line]


def test_an_unchanged_machine_uses_its_distribution_again(distribution: Distribution) -> None:  # noqa: F811
    began = time.monotonic()
    again = distro.make(distribution.directory)
    assert again.reused
    assert again.rpms == distribution.rpms
    assert time.monotonic() - began < 5


def test_the_distribution_comes_from_one_source_package(distribution: Distribution) -> None:  # noqa: F811
    sources = {koji.get_header_fields(str(path), ["sourcerpm"])["sourcerpm"] for path in distribution.rpms}
    assert sources == {path.name for path in distribution.srpms}


def test_init_leaves_the_files_that_mock_leaves(host: MockHost, config: Path) -> None:
    results = host.results(NAME)
    assert {"root.log", "build.log", "state.log", "hw_info.log"} <= {path.name for path in results.iterdir()}
    assert results.owner() == USER
    assert results.group() == "mock"
    assert "Start: installing minimal buildroot with dnf" in (results / "state.log").read_text()
    assert list(host.root(NAME).glob("var/log/dnf*.log"))
    assert mounts_below(host.mockdir) == []


def test_the_package_list_is_there_for_the_hosts_rpm(host: MockHost, config: Path) -> None:
    rpm.addMacro("_dbpath", str(host.root(NAME) / "var/lib/rpm"))
    try:
        names = {header["name"] for header in rpm.TransactionSet().dbMatch()}
    finally:
        rpm.delMacro("_dbpath")
    assert {"bash", "gcc", "rpm", "sandbox-release"} <= names


def test_rebuild_compiles_and_packs_a_c_program(host: MockHost, config: Path, srpms: Path) -> None:
    source = samples.c_program(srpms, "greeter")
    done = host.run(config, "--no-clean", "--target", "x86_64", "--rebuild", source)
    assert done.returncode == 0, done.stdout
    results = host.results(NAME)
    assert {"greeter-1.0-1.sandbox.src.rpm", "greeter-1.0-1.sandbox.x86_64.rpm"} <= rpms(results)
    assert (results / "greeter-1.0-1.sandbox.x86_64.rpm").owner() == USER
    assert "gcc -O2 -o greeter" in (results / "build.log").read_text()
    assert any(line.startswith("bash-") and line.endswith(" installed")
               for line in (results / "installed_pkgs.log").read_text().splitlines())  # fmt: skip


def test_rebuild_makes_a_noarch_package(host: MockHost, config: Path, srpms: Path) -> None:
    done = host.run(config, "--no-clean", "--rebuild", samples.noarch(srpms, "words"))
    assert done.returncode == 0, done.stdout
    assert "words-1.0-1.sandbox.noarch.rpm" in rpms(host.results(NAME))


def test_built_packages_have_the_macros_of_the_config(host: MockHost, srpms: Path, config: Path) -> None:
    path = host.config("macros", f"\nconfig_opts['rootdir'] = {str(host.root(NAME))!r}\n", vendor="The Vendor",
                       tag_macros={"%dist": ".tagged"})  # fmt: skip
    done = host.run(path, "--no-clean", "--rebuild", samples.noarch(srpms, "branded"))
    assert done.returncode == 0, done.stdout
    built = host.results("macros") / "branded-1.0-1.tagged.noarch.rpm"
    assert koji.get_header_fields(str(built), ["vendor"])["vendor"] == "The Vendor"


def test_buildsrpm_writes_a_source_package(host: MockHost, config: Path, open_directory: Path) -> None:  # noqa: F811
    checkout = open_directory / "checkout"
    (checkout / "SOURCES").mkdir(parents=True)
    (checkout / "SOURCES/notes.txt").write_text("notes\n")
    spec = checkout / "fromspec.spec"
    spec.write_text(samples.spec("fromspec", head=["Source0: notes.txt", "BuildArch: noarch"]))
    done = host.run(config, "--no-clean", "--buildsrpm", "--spec", spec, "--sources", checkout / "SOURCES",
                    "--target", "noarch")  # fmt: skip
    assert done.returncode == 0, done.stdout
    written = host.results(NAME) / "fromspec-1.0-1.sandbox.src.rpm"
    assert "notes.txt" in koji.get_header_fields(str(written), ["filenames"])["filenames"]


def test_chroot_passes_output_and_exit_status_on(host: MockHost, config: Path) -> None:
    done = host.run(config, "--chroot", "echo from $(cat /etc/system-release); exit 7")
    assert done.returncode == 7
    assert "from kojid sandbox distribution" in done.stdout
    assert host.run(config, "--chroot", "--", "no-such-command-at-all").returncode == 127


def test_shell_passes_its_exit_status_on_and_logs_no_output(host: MockHost, config: Path) -> None:
    done = host.run(
        config, "--arch", "i686", "--old-chroot", "--shell", "--", "uname -m; pwd; echo from the shell; exit 7"
    )
    assert done.returncode == 7
    assert "i686\n/builddir\nfrom the shell\n" in done.stdout
    assert "from the shell\n" not in (host.results(NAME) / "root.log").read_text()


def test_chroot_runs_unprivileged_where_it_is_told(host: MockHost, config: Path) -> None:
    done = host.run(
        config, "--unpriv", "--cwd", "/var/tmp", "--chroot", "--", "sh", "-c", "id -un; pwd; ls /sys/class/net"
    )
    assert "\nmockbuild\n/var/tmp\n" in done.stdout


def test_the_kernel_passes_for_a_32_bit_one_where_the_arch_is(host: MockHost, config: Path) -> None:
    assert "\ni686\n" in host.run(config, "--arch", "i686", "--chroot", "--", "uname", "-m").stdout


def test_there_is_no_network_in_the_chroot_unless_it_is_asked_for(host: MockHost, config: Path) -> None:
    shared = f"\nconfig_opts['rootdir'] = {str(host.root(NAME))!r}\n"
    own = os.readlink("/proc/self/ns/net")
    assert own not in host.run(config, "--chroot", "readlink /proc/self/ns/net").stdout
    online = host.config("online", f"{shared}config_opts['rpmbuild_networking'] = True\n")
    assert own in host.run(online, "--chroot", "readlink /proc/self/ns/net").stdout


def test_environment_and_bind_mounts_come_from_the_config(host: MockHost, config: Path, srpms: Path) -> None:
    more = f"\nconfig_opts['rootdir'] = {str(host.root(NAME))!r}\nconfig_opts['environment']['COLOUR'] = 'green'\n"
    samples.noarch(srpms, "words")
    path = host.config("bound", more, bind_opts={"dirs": {str(srpms): "/mnt/srpms", "/dev": "/dev"}})
    done = host.run(path, "--chroot", "echo $COLOUR; ls /mnt/srpms")
    assert "green" in done.stdout
    assert "words-1.0-1.sandbox.src.rpm" in done.stdout
    assert list(host.root(NAME).glob("mnt/srpms/*")) == []


@pytest.mark.parametrize(
    ("make", "status", "log", "cause"),
    [
        (samples.fails_in_prep, 1, "build.log", "the patch does not apply"),
        (samples.fails_in_build, 1, "build.log", "undeclared_name"),
        (samples.unpackaged_files, 1, "build.log", "forgotten"),
        (samples.other_architecture, 1, "build.log", "not included: x86_64"),
        (samples.missing_requirement, 30, "root.log", "no-such-package-anywhere"),
    ],
)
def test_a_package_that_does_not_build(
    host: MockHost, config: Path, srpms: Path, make: Callable[[Path], Path], status: int, log: str, cause: str
) -> None:
    before = rpms(host.results(NAME))
    done = host.run(config, "--no-clean", "--target", "x86_64", "--rebuild", make(srpms))
    assert done.returncode == status, done.stdout
    assert cause in (host.results(NAME) / log).read_text()
    assert rpms(host.results(NAME)) == before


def test_a_spec_without_files_succeeds_and_yields_no_rpm(host: MockHost, config: Path, srpms: Path) -> None:
    done = host.run(config, "--no-clean", "--rebuild", samples.without_files(srpms))
    assert done.returncode == 0, done.stdout
    made = {name for name in rpms(host.results(NAME)) if name.startswith("without-files")}
    assert made == {"without-files-1.0-1.sandbox.src.rpm"}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--no-clean", "--rebuild"], 50),
        (["--no-clean", "--rebuild", "/no/such/package.src.rpm"], 1),
        (["--chroot", "sh", "-c", "true"], 5),
        (["--no-clean", "--buildsrpm", "--spec", "/no/such.spec", "--sources", "/tmp"], 5),
        (["--no-clean", "--rebuild", "one.src.rpm", "two.src.rpm"], 5),
        (["--install", "no-such-package-anywhere"], 30),
        (["--frobnicate", "--no-clean", "--init"], 0),
    ],
)
def test_exit_statuses_of_command_lines(host: MockHost, config: Path, arguments: List[str], status: int) -> None:
    done = host.run(config, *arguments)
    assert done.returncode == status, done.stdout


def test_a_broken_source_package_and_config(host: MockHost, config: Path, srpms: Path, tmp_path: Path) -> None:
    assert host.run(config, "--no-clean", "--rebuild", samples.broken(srpms)).returncode == 1
    assert host.run(host.base / "absent.cfg", "--init").returncode == 3
    invalid = host.base / "invalid.cfg"
    invalid.write_text("this is ( no Python")
    assert host.run(invalid, "--init").returncode == 3


def test_a_caller_outside_the_group_is_refused(host: MockHost, config: Path) -> None:
    with pytest.raises(PermissionError):
        host.start(config, "--init", user="nobody", member=False)
    host.program.chmod(0o4755)
    try:
        with host.start(config, "--init", user="nobody", member=False) as process:
            assert process.wait(30) == 2
    finally:
        host.program.chmod(0o4750)


def test_rpmbuild_timeout_ends_the_build_and_all_it_started(host: MockHost, config: Path, srpms: Path) -> None:
    more = f"\nconfig_opts['rootdir'] = {str(host.root(NAME))!r}\n"
    path = host.config("impatient", more, rpmbuild_timeout=2)
    done = host.run(path, "--no-clean", "--rebuild", samples.long_build(srpms))
    assert done.returncode == 11, done.stdout
    assert processes_in(host.root(NAME)) == []


@pytest.fixture
def long_build(host: MockHost, config: Path, srpms: Path) -> Iterator[subprocess.Popen[str]]:
    """A rebuild that has come to the long sleep in its %build."""
    log = host.results(NAME) / "build.log"
    log.unlink(missing_ok=True)
    process = host.start(config, "--no-clean", "--rebuild", samples.long_build(srpms))
    try:
        wait_until(lambda: log.exists() and "the long sleep begins" in log.read_text(), "the build sleeps")
        wait_until(lambda: len(processes_in(host.root(NAME))) >= 3, "its processes are there")
        yield process
    finally:
        for pid in processes_in(host.root(NAME)):
            os.kill(pid, signal.SIGKILL)
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 7), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_leaves_no_process_and_no_mount(
    host: MockHost, long_build: subprocess.Popen[str], number: int, status: int
) -> None:
    long_build.send_signal(number)
    long_build.communicate(timeout=120)
    assert long_build.returncode == status
    assert processes_in(host.root(NAME)) == []
    assert mounts_below(host.mockdir) == []


def test_kill_leaves_the_build_alive_as_with_mock_itself(host: MockHost, long_build: subprocess.Popen[str]) -> None:
    long_build.kill()
    long_build.wait(20)
    left = processes_in(host.root(NAME))
    assert len(left) >= 3
    assert all(os.getsid(pid) != os.getsid(0) for pid in left)
    assert mounts_below(host.mockdir) == []


def test_kill_takes_the_build_along_where_the_config_asks_for_it(host: MockHost, config: Path, srpms: Path) -> None:
    more = f"\nconfig_opts['rootdir'] = {str(host.root(NAME))!r}\nconfig_opts['children_die_with_mock'] = True\n"
    log = host.results("faithless") / "build.log"
    process = host.start(host.config("faithless", more), "--no-clean", "--rebuild", samples.long_build(srpms))
    wait_until(lambda: log.exists() and "the long sleep begins" in log.read_text(), "the build sleeps")
    process.kill()
    process.communicate()
    wait_until(lambda: processes_in(host.root(NAME)) == [], "the build is gone", 5)


def test_a_root_in_use_is_locked_for_init_and_open_for_chroot(host: MockHost, config: Path) -> None:
    marker = host.root(NAME) / "tmp/holding"
    with host.start(
        config, "--chroot", "touch /tmp/holding; while test -e /tmp/holding; do sleep 0.05; done"
    ) as holder:
        try:
            wait_until(marker.exists, "the root is in use")
            assert host.run(config, "--init").returncode == 60
            assert host.run(config, "--chroot", "--", "true").returncode == 0
        finally:
            marker.unlink(missing_ok=True)
        holder.communicate(timeout=120)
    assert holder.returncode == 0


def test_clean_removes_the_root(host: MockHost) -> None:
    path = host.config("passing", chroot_setup_cmd="")
    with path.open("a") as stream:
        stream.write("\nconfig_opts['chroot_setup_cmd'] = 'install filesystem'\n")
    assert host.run(path, "--init").returncode == 0
    assert host.root("passing").is_dir()
    assert host.run(path, "--scrub=all").returncode == 0
    assert not (host.mockdir / "passing").exists()
