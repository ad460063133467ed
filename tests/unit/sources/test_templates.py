from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Iterator

import koji
import pytest

from kojid.errors import HostFault
from kojid.sources import templates

pytest.importorskip("Cheetah", reason="needs Cheetah (CT3), the extra wrapper")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: who is nobody already gives nothing up")


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    """A directory of a checkout, which is all that a template has."""
    (tmp_path / "version.txt").write_text("2.5\n")
    (tmp_path / "version.txt").chmod(0o644)
    tmp_path.chmod(0o755)
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def render(template: str, directory: int, seconds: int = 20, **values: Any) -> str:
    return templates.render(template, values, directory, seconds=seconds)


def test_placeholders_and_loops_are_filled(directory: int) -> None:
    template = "Name: $name\n#for $file in $artifacts['.jar']\nSource: $file\n#end for\n"
    text = render(template, directory, name="Grüße", artifacts={".jar": ["a.jar", "b.jar"]})
    assert text == "Name: Grüße\nSource: a.jar\nSource: b.jar\n"


def test_files_beside_the_template_can_be_read(directory: int) -> None:
    assert render("#silent v = open('version.txt').read().strip()\nVersion: $v\n", directory) == "Version: 2.5\n"


def test_what_a_template_prints_is_not_in_the_text(directory: int) -> None:
    assert render("#silent print('ready')\nName: x\n", directory) == "Name: x\n"


@needs_root
def test_a_template_runs_as_nobody_without_a_way_back(directory: int) -> None:
    template = """\
#import os
#silent status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())
$os.getresuid() $os.getresgid() $os.getgroups()
$status['NoNewPrivs'].strip() $int(status['CapEff'], 16) $int(status['CapPrm'], 16)
"""
    uids, more = render(template, directory).splitlines()
    assert "0" not in uids.replace("(", "").replace(")", "").replace(",", "").replace("[]", "").split()
    assert uids.endswith("[]")
    assert more == "1 0 0"


@needs_root
def test_a_template_sees_neither_the_daemons_environment_nor_its_files(
    directory: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HUB_PASSWORD", "swordfish")
    secret = tmp_path / "secret"
    secret.touch(0o600)
    template = """\
#import os
$('HUB_PASSWORD' in os.environ)
#try
$open('secret').read()
#except PermissionError
no entry
#end try
$len([fd for fd in os.listdir('/proc/self/fd') if int(fd) > 3])
"""
    lines = render(template, directory).split("\n")
    assert lines[:2] == ["False", "no entry"]
    assert int(lines[2]) <= 1  # the one that lists them


@needs_root
def test_a_template_has_no_network_where_there_are_namespaces(directory: int) -> None:
    template = """\
#import os
$os.readlink('/proc/self/ns/net')
#silent names = [line.split(':')[0].strip() for line in open('/proc/self/net/dev').readlines()[2:]]
$str.join(',', names)
$len(open('/proc/self/net/route').readlines())
"""
    namespace, interfaces, routes = render(template, directory).split()
    if namespace == os.readlink("/proc/self/ns/net"):
        pytest.skip("this container keeps root from making a network namespace")
    assert interfaces == "lo" and int(routes) <= 1  # the heading, and not even a route through lo


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("Name: $nothing_of_the_kind\n", "cannot find 'nothing_of_the_kind'"),
        ("#for x in\n", "ParseError|ParserError|SyntaxError"),
        ("#silent {}['x']\n", "KeyError: 'x'"),
        ("#import sys\n#silent sys.exit('that was it')\n", "that was it"),
        ("#silent 'x' * (8 << 30)\n", "MemoryError"),
        ("#import os\n#silent os.kill(os.getpid(), 9)\n", "was killed by signal 9"),
        ("#import os\n#silent os.write(3, b'\\xff\\xfe')\n", "is not UTF-8"),
    ],
)
def test_a_template_that_fails_is_the_packages_fault_and_says_why(directory: int, template: str, told: str) -> None:
    with pytest.raises(koji.BuildError, match=told):
        render(template, directory)


@pytest.mark.parametrize("waste", ["import time; time.sleep(60)", "set(iter(lambda: 0, 1))"])
def test_a_template_that_never_ends_is_ended(directory: int, waste: str) -> None:
    with pytest.raises(koji.BuildError, match=r"not rendered within 1 seconds|was killed by signal (9|24)"):
        render(f"#silent exec({waste!r})\n", directory, seconds=1)


def test_a_host_that_can_not_render_says_so(directory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates.sys, "executable", "/bin/false")
    with pytest.raises(HostFault, match="can't be rendered here, the process exited with status 1"):
        render("x", directory)


def test_root_is_refused_even_if_asked_for(directory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "USER", "root")
    if os.geteuid() == 0:
        with pytest.raises(HostFault, match="must not be rendered as root"):
            render("x", directory)
