"""The commands of the sandbox, each with its parsed arguments."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Callable, Dict

from kojid.sandbox import client, layout, setup, summary
from kojid.sandbox.content import BUILD_TAG, TARGET
from kojid.sandbox.demo import run as run_demo
from kojid.sandbox.errors import SandboxError
from kojid.sandbox.hub import releases
from kojid.sandbox.machinery import Builder, Hub, usual_settings
from kojid.sandbox.maven import add as add_maven
from kojid.sandbox.status import lines as status_lines
from kojid.sandbox.steps import Steps
from kojid.sandbox.teardown import delete, stop


def up(options: argparse.Namespace) -> int:
    """Make the sandbox and start what does not run; returns the exit status."""
    steps = Steps()
    made = setup.prepare(_directory(options), steps, movable=options.dir is None)
    settings = usual_settings(made, {"version": options.hub_version}) if options.hub_version else None
    hub, builder = Hub(made, settings), Builder(made)
    with setup.exclusively(made):
        session = setup.bring_up(made, steps, hub)
        if not releases.has(hub.settings.version, releases.REPO_OPTIONS):
            steps.note(f"such a hub makes repos when told to: {summary.program()} koji regen-repo {BUILD_TAG}")
        if not options.no_builder:
            with steps.step("builder in the background"):
                since = time.time()
                if builder.service.pid() is None:
                    builder.start()
                builder.wait_until_ready(session, since)
                steps.note(f"its output goes to {builder.service.console}")
    steps.say(f"\nTry: {summary.program()} status{_dir_words(options)}")
    return 0


def demo(options: argparse.Namespace) -> int:
    """Build GNU hello from end to end and tell about it; returns the exit status."""
    outcome = run_demo(_directory(options), Steps(), movable=options.dir is None)
    for line in summary.lines(outcome, _dir_words(options)):
        print(line)
    return 0


def maven(options: argparse.Namespace) -> int:
    """Have the sandbox make Maven builds; returns the exit status."""
    steps = Steps()
    made = layout.find(_directory(options))
    hub = Hub(made)
    if hub.service.pid() is None:
        raise SandboxError("the hub does not run", f"start it with: {summary.program()} up{_dir_words(options)}")
    with setup.exclusively(made):
        add_maven(made, steps, hub.connect())
    program = f"{summary.program()} koji{_dir_words(options)}"
    steps.say(f"\nA repository with all that: {program} regen-repo {BUILD_TAG}")
    steps.say(f"Allow sources (allowed_scms) in {made.kojid_conf}.d/, then: {program} maven-build {TARGET} URL")
    return 0


def status(options: argparse.Namespace) -> int:
    """Print what runs; returns the exit status."""
    for line in status_lines(layout.find(_directory(options))):
        print(line)
    return 0


def koji(options: argparse.Namespace) -> int:
    """Become the koji client, with the sandbox's profile.

    Raises:
        SandboxError: the hub does not run, or the client is not installed.
    """
    made = layout.find(_directory(options))
    if Hub(made).service.pid() is None:
        raise SandboxError("the hub does not run", f"start it with: {summary.program()} up{_dir_words(options)}")
    command = client.client_command(made, options.arguments)
    os.execv(command[0], command)


def down(options: argparse.Namespace) -> int:
    """End builder and hub; returns the exit status."""
    stop(layout.find(_directory(options)), Steps())
    return 0


def reset(options: argparse.Namespace) -> int:
    """End both and delete everything; returns the exit status."""
    delete(_directory(options), Steps())
    return 0


def _directory(options: argparse.Namespace) -> Path:
    return (options.dir or layout.default_dir()).expanduser().absolute()


def _dir_words(options: argparse.Namespace) -> str:
    return f" --dir {options.dir}" if options.dir else ""


COMMANDS: Dict[str, Callable[[argparse.Namespace], int]] = {
    "up": up,
    "demo": demo,
    "maven": maven,
    "status": status,
    "koji": koji,
    "down": down,
    "reset": reset,
}
