"""Making a sandbox, step by step; a step that is done already is found done, so that a broken run can be resumed."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, TypeVar

from kojid.sandbox import configuration, content, distro, layout, mock, requirements
from kojid.sandbox.configuration import Urls
from kojid.sandbox.errors import SandboxError
from kojid.sandbox.layout import Layout
from kojid.sandbox.machinery import Hub
from kojid.sandbox.mock.errors import MockError
from kojid.sandbox.steps import Steps

REAL_MOCK = Path("/usr/bin/mock")
Result = TypeVar("Result")


def prepare(directory: Path, steps: Steps, *, movable: bool) -> Layout:
    """Look at the machine, make the accounts and the directory.

    Args:
        directory: of the sandbox.
        steps: told what is done.
        movable: the directory was not chosen by the caller (see `layout.create`).

    Raises:
        SandboxError: something is missing here; it says what to install.
    """
    requirements.check()
    with steps.step("accounts and directories"):
        _told(mock.ensure_accounts)
        made = layout.create(directory, movable=movable)
        steps.note(f"the sandbox is {made.dir}")
        if made.dir != directory.expanduser():
            steps.note(f"{directory} is a link to it: others can't enter it through your home")
    return made


def bring_up(made: Layout, steps: Steps, hub: Hub) -> Any:
    """Make everything but the builder, and return an admin's session with the hub.

    Args:
        made: a sandbox whose directories are there.
        steps: told what is done.
        hub: started here if it does not run.

    Raises:
        SandboxError: a step failed; the next call goes on from there.
    """
    with steps.step("hub"):
        hub.start()
        session = hub.connect()
        urls = hub.urls()
        steps.note(f"calls: {urls.server}   files: {urls.topurl}")
    with steps.step("mock and configuration files"):
        _configure(made, steps, urls)
    with steps.step("tags and target"):
        content.lay_out(session)
    if content.imported_distribution(session) is None:
        _add_distribution(made, steps, session)
    return session


def _add_distribution(made: Layout, steps: Steps, session: Any) -> None:
    """Make the distribution and import it. A hub gets it once: a later one would have packages of the same names."""
    with steps.step("RPM distribution from this machine's packages"):
        try:
            distribution = distro.make(made.distro, progress=steps.note)
        except distro.DistributionError as error:
            raise SandboxError(f"the distribution can't be made: {error}") from error
        steps.note(f"{len(distribution.rpms)} RPMs{', as they were' if distribution.reused else ''}")
    with steps.step("import of the distribution into the hub"):
        content.set_groups(session, content.BUILD_TAG, distribution.groups)
        nvr = content.import_distribution(session, distribution)
        steps.note(f"{nvr} with {len(distribution.rpms)} RPMs is in tag {content.BOOTSTRAP}")


def _configure(made: Layout, steps: Steps, urls: Urls) -> None:
    steps.note(_install_mock(made))
    options = configuration.builder_options(made, urls, mock_path(made))
    configuration.write_builder(made.kojid_conf, options)
    configuration.write_client(made, urls)
    steps.note(f"{made.kojid_conf}: sleeptime {options['sleeptime']} s for quick answers here (kojid's default: 15 s)")


def mock_path(made: Layout) -> Path:
    """The mock that this sandbox uses: the real one where there is one, else the stand-in."""
    return REAL_MOCK if REAL_MOCK.exists() else made.dir / "bin" / "mock"


def _install_mock(made: Layout) -> str:
    """Put the stand-in in place where it is needed; returns what to say of it."""
    if REAL_MOCK.exists():
        return f"mock: the real one, {REAL_MOCK}"
    program = _told(lambda: mock.install(made.dir))
    return f"mock: {program}, the sandbox's stand-in (this machine has no {REAL_MOCK})"


def _told(action: Callable[[], Result]) -> Result:
    """Do something with the stand-in; its errors become the sandbox's."""
    try:
        return action()
    except MockError as error:
        raise SandboxError(str(error)) from error


@contextmanager
def exclusively(made: Layout) -> Iterator[None]:
    """Hold the sandbox's lock: one command at a time changes it.

    Raises:
        SandboxError: another one is at it.
    """
    with made.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SandboxError(
                f"another command changes the sandbox {made.dir} right now", "wait for its end"
            ) from None
        yield
