"""The man page kojid(8)."""

from __future__ import annotations

import argparse
from typing import List

from kojid import __version__
from kojid.cli.manual import parsers, roff
from kojid.config.loader import DEFAULT_FILE

_DESCRIPTION = (
    "`kojid` is the builder daemon of the Koji build system: it takes tasks from a hub, carries them out on this host "
    "and delivers what they made. Without a sub-command it is the daemon, run as root, usually by systemd. "
    "Sub-commands look after a host, and make a whole build system on one machine to try things out."
)
_SIGNALS = {
    "TERM, INT": "The daemon ends all tasks, gives them back to the hub and ends with status 0.",
    "HUP": "It checks the configuration and begins anew in place; running tasks go on. A mistake in the file is logged "
    "and changes nothing.",
    "USR1": "It takes no further task, and begins anew in place when the last one has ended.",
    "KILL": "As with every crash tasks go on, and the next daemon takes them up.",
}
_STATUSES = {
    "0": "It was told to stop, or with --skip-main the login has worked.",
    "1": "The configuration, the login or the lock: a line on stderr says which, and what to do.",
    "2": "The command line is wrong, or server or topurl is not set.",
}
_FILES = {
    str(DEFAULT_FILE): "The configuration, kojid.conf(5).",
    "/etc/kojid/kojid.conf.d/*.conf": "Read after it.",
    "/etc/kojid/plugins/": "Configurations of plugins.",
    "/usr/lib/koji-builder-plugins/": "Plugins.",
    "/var/log/kojid.log": "The log. Under systemd it is in the journal, too, with the fields TASK_ID, METHOD, NVR and "
    "BUILDROOT: `journalctl -u kojid TASK_ID=4711`.",
    "/var/log/kojid/": "A log for each task.",
    "/var/lib/kojid/": "What runs here, and status.json.",
}


def text() -> str:
    """The page."""
    daemon = parsers.daemon()
    found = parsers.of_subcommands()
    lines = [*roff.title("kojid", 8, __version__, "Koji builder"), roff.section("NAME")]
    lines += [r"kojid \- builder daemon of the Koji build system", roff.section("SYNOPSIS")]
    lines += [f"{roff.bold('kojid')} [{roff.italic('OPTION')} ...]"]
    for name in found:
        lines += [".br", _synopsis(found[name])]
    lines += [roff.section("DESCRIPTION"), *roff.paragraph(_DESCRIPTION)]
    lines += [roff.section("OPTIONS OF THE DAEMON"), *_options(daemon), roff.section("SUB-COMMANDS")]
    for name in found:
        lines += _subcommand(name, found[name])
    for heading, rows in (("SIGNALS", _SIGNALS), ("EXIT STATUS", _STATUSES), ("FILES", _FILES)):
        lines += [roff.section(heading)]
        for label, meaning in rows.items():
            lines += roff.item(roff.bold(label), meaning)
    lines += [roff.section("SEE ALSO"), roff.escape("kojid.conf(5), koji(1), mock(1), systemctl(1), journalctl(1)"), ""]
    return roff.page(lines)


def _synopsis(parser: argparse.ArgumentParser) -> str:
    words = [roff.bold(parser.prog)]
    optional = [action for action in parsers.shown(parser) if action.option_strings]
    words += [f"[{roff.italic('OPTION')} ...]"] if optional else []
    words += [roff.italic(value) for action in parsers.shown(parser) if not action.option_strings
              for value in parsers.values(action)]  # fmt: skip
    return " ".join(words + ([f"{roff.italic('COMMAND')} ..."] if parsers.children(parser) else []))


def _options(parser: argparse.ArgumentParser) -> List[str]:
    lines = []
    for action in parsers.shown(parser):
        placeholders = " ".join(roff.italic(value) for value in parsers.values(action))
        label = ", ".join(roff.bold(flag) for flag in action.option_strings)
        lines += roff.item(" ".join(word for word in (label, placeholders) if word), parsers.help_of(parser, action))
    return lines


def _subcommand(name: str, parser: argparse.ArgumentParser) -> List[str]:
    lines = [roff.subsection(f"kojid {name}")]
    for part in (parser.description or parsers.summary(name)).split("\n\n"):
        lines += roff.paragraph(part)
    lines += _options(parser)
    for child_name, child in parsers.children(parser).items():
        lines += roff.item(_synopsis(child), parsers.child_help(parser, child_name))
        own = [action for action in parsers.shown(child) if action.dest != "dir" and action.option_strings]
        for action in own:
            values = "".join(f" {value}" for value in parsers.values(action))
            lines += [".RS", *roff.item(roff.bold(", ".join(action.option_strings)) + roff.escape(values),
                                        parsers.help_of(child, action)), ".RE"]  # fmt: skip
    if parser.epilog:
        lines += roff.literal(parser.epilog.rstrip().splitlines())
    return lines
