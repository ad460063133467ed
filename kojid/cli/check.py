"""`kojid check`: whether this host can work, item by item, and what to do where it can't. Nothing is changed."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from typing import List

from kojid.cli import local
from kojid.cli.checks import report, runner
from kojid.cli.checks.base import Check, Context
from kojid.cli.checks.table import TABLE
from kojid.config import loader

_EPILOG = """\
exit status:
  0    all is fine
  1    there are warnings: the daemon works, and something is to be looked at
  2    there are errors, or the command line is wrong
"""


def main(argv: List[str]) -> int:
    """Run the sub-command; returns the exit status."""
    return local.carry_out("check", lambda: _run(_parser().parse_args(argv)))


def _parser() -> argparse.ArgumentParser:
    made = local.parser(
        "check",
        "Whether this build host can work: its configuration, directories, programs,\n"
        "certificates, plugins and what the hub has on record for it. Changes nothing, and\n"
        "leaves a daemon that runs alone. To be run as root.",
        _EPILOG,
    )
    names = [check.name for check in TABLE]
    made.add_argument("names", nargs="*", metavar="NAME", help="only these items; --list has their names")
    made.add_argument("--offline", action="store_true", help="leave out what needs the network")
    made.add_argument("--json", action="store_true", help="as JSON (docs/operations.md has the fields)")
    made.add_argument("--list", action="store_true", help="the names of the items, and what each looks at")
    made.set_defaults(known=names)
    return made


def _run(arguments: argparse.Namespace) -> int:
    unknown = [name for name in arguments.names if name not in arguments.known]
    if unknown:
        print(f"kojid check: there is no item {unknown[0]}; --list has their names", file=sys.stderr)
        return 2
    checks = [check for check in TABLE if not arguments.names or check.name in arguments.names]
    if arguments.list:
        return _list(checks)
    context = Context(loader.survey(arguments.config), arguments.config, offline=arguments.offline)
    return _as_json(checks, context) if arguments.json else _as_text(checks, context)


def _list(checks: List[Check]) -> int:
    for line in local.columns([[check.section, check.name, check.what] for check in checks], indent=""):
        print(line)
    return 0


def _as_json(checks: List[Check], context: Context) -> int:
    results = list(runner.carry_out(checks, context))
    print(json.dumps(report.as_json(results, context), indent=1))
    return report.status(results)


def _as_text(checks: List[Check], context: Context) -> int:
    lines = report.text_for(sys.stdout, shutil.get_terminal_size().columns)
    results = []
    for result in runner.carry_out(checks, context):
        results.append(result)
        for line in lines.lines(result):
            print(line)
        report.flush()
    print(f"\n{report.summary(results)}")
    return report.status(results)
