"""Programs and libraries that tasks use: there, new enough, and usable by who runs them."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import shutil
import tempfile
from pathlib import Path
from typing import Dict, Iterator, List, Tuple

import koji

from kojid.buildroot import mock, mockconfig
from kojid.cli.checks.base import Check, Context, Finding, fine, skipped, unless_any, warn, wrong
from kojid.daemon import exporter
from kojid.repos import createrepo, merge
from kojid.repos.merge import Version
from kojid.system import process
from kojid.system.files import printable
from kojid.tasks import parts, registry

SECTION = "programs"
_MOCK_SECONDS = 60.0
_CREATEREPO_SINCE = (0, 11, 0)
_KOJI_SINCE = (1, 30)
_NAME = "kojid-check"
# What some tasks need and others do without: module, and what is refused when it is missing.
_OPTIONAL = (("Cheetah", "wrapperRPM"), ("dnf", "dist-repo --multilib"), ("multilib", "dist-repo --multilib"))


def _mock(context: Context) -> Iterator[Finding]:
    path = context.options.mockpath
    if not os.path.exists(path):
        yield wrong(f"{path} does not exist", "install mock, or set mockpath")
    elif not os.path.isfile(path) or not os.access(path, os.X_OK):
        yield wrong(f"{path} can't be executed", f"chmod a+x {path}, or set mockpath to the mock program")
    else:
        yield fine(path)


def _mock_runs(context: Context) -> Iterator[Finding]:
    """Have mock read a configuration as the daemon writes it, as its user, and say where the root would be."""
    options = context.options
    if not os.access(options.mockpath, os.X_OK) or not options.topurls:
        yield skipped("needs mockpath and topurl")
        return
    user = process.credentials_of(options.mockuser, "mock") if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="kojid-check-") as directory:
        os.chmod(directory, 0o755)  # noqa: S103 - mock's user reads it
        trial = context.having(mock_config_dir=directory)
        mockconfig.write(directory, _NAME, mockconfig.generate(_request(), trial))
        argv = [*mock.prefix(trial, _NAME, {}), "--print-root-path"]
        status, output = process.capture(argv, timeout=_MOCK_SECONDS, user=user, cwd="/", stderr=process.STDOUT)
    lines = [printable(line) for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    if not status.ok:
        last = f": {lines[-1]}" if lines else ""
        yield wrong(
            f"mock {status.describe()} for {options.mockuser}{last}",
            f"is {options.mockuser} in the group mock? try it as that user: {options.mockpath} --version",
        )
        return
    root = lines[-1] if lines else ""
    if not root.startswith(f"{options.mockdir.rstrip('/')}/"):
        yield warn(f"mock would put roots into {root or 'nowhere'}", "is basedir set in /etc/mock/site-defaults.cfg?")
    yield fine(f"{options.mockuser} can run it")


def _request() -> mockconfig.Request:
    arch = koji.canonArch(platform.machine())
    return mockconfig.Request(_NAME, buildroot_id=1, repo_id=1, tag_name="check", extra={}, br_arch=arch,
                              target_arch=arch)  # fmt: skip


def _shown(version: Version) -> str:
    return ".".join(map(str, version))


def _createrepo(context: Context) -> Iterator[Finding]:
    if not context.options.use_createrepo_c:
        if os.access(createrepo.CREATEREPO, os.X_OK):
            yield fine(createrepo.CREATEREPO)
        else:
            yield wrong(f"there is no {createrepo.CREATEREPO}", "install it, or set use_createrepo_c = true")
        return
    version = merge.installed_version(createrepo.CREATEREPO_C)
    if version < _CREATEREPO_SINCE:
        yield wrong(f"createrepo_c {_shown(version)} is too old", f"it needs {_shown(_CREATEREPO_SINCE)}")
    yield fine(f"createrepo_c {_shown(version)}")


def _mergerepo(_context: Context) -> Iterator[Finding]:
    version = merge.installed_version(merge.MERGEREPO_C)
    if version < merge.SIMPLE_SINCE:
        yield warn(
            f"mergerepo_c {_shown(version)} is too old for external repos in the mode simple",
            f"it needs {_shown(merge.SIMPLE_SINCE)}",
        )
    yield fine(f"mergerepo_c {_shown(version)}")


def _rpm(_context: Context) -> Iterator[Finding]:
    try:
        rpm = importlib.import_module("rpm")
        version = str(rpm.__version__)
        rpm.TransactionSet  # noqa: B018 - a module of this name without the bindings has none
    except (ImportError, AttributeError) as error:
        yield wrong(
            f"rpm's Python bindings can't be loaded: {error}",
            "install python3-rpm; a virtual environment needs --system-site-packages",
        )
        return
    yield fine(f"rpm {version}")


def _koji(_context: Context) -> Iterator[Finding]:
    version = tuple(int(part) for part in str(koji.__version__).split(".")[:2] if part.isdigit())
    if version < _KOJI_SINCE:
        yield wrong(f"koji {koji.__version__} is too old", f"it needs {_shown(_KOJI_SINCE)}")
    yield fine(f"koji {koji.__version__}")


def _scm_tools(context: Context) -> Iterator[Finding]:
    options = context.options
    if not options.allowed_scms and not options.allowed_scms_use_policy:
        yield fine("no version control is allowed here")
        return
    found: List[str] = []
    for program, level in _wanted(context):
        if shutil.which(program, path=process.clean_environment()["PATH"]):
            found.append(program)
        elif level:
            yield wrong(f"{program} is not installed", f"install {program}; sources that need it are refused")
        else:
            yield warn(f"{program} is not installed: its sources are refused", f"install {program}")
    if options.scm_lfs and "git-lfs" not in found:
        yield wrong("scm_lfs is on and git-lfs is not installed", "install git-lfs, or take scm_lfs out")
    yield fine(", ".join(found))


def _wanted(context: Context) -> Iterator[Tuple[str, bool]]:
    """The programs, and whether nothing goes without them. CVS has gone from most distributions."""
    yield "git", True
    yield "svn", False
    yield "ssh", False
    for program in ("cvs", *(("git-lfs",) if context.options.scm_lfs else ())):
        if shutil.which(program):
            yield program, False


def _optional(_context: Context) -> Iterator[Finding]:
    missing = [f"{module} ({what})" for module, what in _OPTIONAL if importlib.util.find_spec(module) is None]
    yield fine(f"not here, such tasks are left to other hosts: {', '.join(missing)}" if missing else "all are here")


def _images(_context: Context) -> Iterator[Finding]:
    """Methods that need more than every builder has, by what is missing."""
    able: List[str] = []
    missing: Dict[str, List[str]] = {}
    for method, handler in sorted(registry.handlers().items()):
        needed = getattr(handler, "parts", ())
        words = parts.lacking(needed)
        if words:
            missing.setdefault(words, []).append(method)
        elif needed:
            able.append(method)
    if able:
        yield fine(f"this host can do {', '.join(able)}")
    for words, methods in missing.items():
        yield fine(f"left to other hosts: {', '.join(methods)} ({words})")


def _metrics(context: Context) -> Iterator[Finding]:
    options = context.options
    for text in exporter.check(options):
        yield warn(text, "install it, or unset metrics_address and metrics_file")
    file = str(options.metrics_file or "")
    if file and not os.path.isdir(os.path.dirname(file)):
        yield wrong(f"{file} can't be written: its directory is not there", "is node_exporter installed? make it")
    elif file and not file.endswith(".prom"):
        yield warn(f"{file} does not end in .prom: node_exporter leaves it out", "give metrics_file that ending")


def _shows_metrics(context: Context) -> Iterator[Finding]:
    options = context.options
    places = [str(place) for place in (options.metrics_address, options.metrics_file) if place]
    return unless_any(_metrics(context), f"at {' and '.join(places)}" if places else "are not asked for")


def _temporary(_context: Context) -> Iterator[Finding]:
    path = Path(tempfile.gettempdir())
    if not os.access(path, os.W_OK):
        yield wrong(f"{path} can't be written", "is its file system read-only?")


ROWS = (
    Check(SECTION, "mock", "the mock program", "install mock", _mock),
    Check(SECTION, "mock_runs", "a dry run of mock", "install mock", _mock_runs, seconds=_MOCK_SECONDS + 10),
    Check(SECTION, "createrepo_c", "createrepo_c", "install createrepo_c", _createrepo),
    Check(SECTION, "mergerepo_c", "mergerepo_c", "install createrepo_c", _mergerepo),
    Check(SECTION, "rpm", "rpm's Python bindings", "install python3-rpm", _rpm, alone=True),
    Check(SECTION, "koji", "the koji library", "install koji 1.30 or newer", _koji),
    Check(SECTION, "scm_tools", "programs for version control", "install them", _scm_tools),
    Check(SECTION, "optional", "libraries for some tasks", "install them", _optional, alone=True),
    Check(SECTION, "images", "methods of images and Maven", "install what is missing", _images, alone=True),
    Check(SECTION, "metrics", "metrics for Prometheus", "see docs/operations.md", _shows_metrics),
    Check(SECTION, "temporary", "temporary files", "set TMPDIR",
          lambda context: unless_any(_temporary(context), tempfile.gettempdir())),
)  # fmt: skip
