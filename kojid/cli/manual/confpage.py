"""The man page kojid.conf(5)."""

from __future__ import annotations

from typing import List

from kojid import __version__
from kojid.cli.manual import roff
from kojid.config.loader import DEFAULT_FILE, SECTION
from kojid.config.options import GROUPS, RETIRED, Option
from kojid.config.render import LIMIT_HELP

_DESCRIPTION = (
    f"`{DEFAULT_FILE}` has the settings of the builder daemon `kojid`, in the section [{SECTION}] of an INI file: one "
    "`name = value` in a line, comments begin with ; or #. Files kojid.conf.d/*.conf beside it are read after it, in "
    "the order of their names; what the daemon's command line says comes last. A name that is not known is an error; "
    "`kojid --fg --skip-main` finds it before the daemon does."
)


def text() -> str:
    """The page."""
    lines = [*roff.title("kojid.conf", 5, __version__, "Koji builder"), roff.section("NAME")]
    lines += [r"kojid.conf \- configuration of the Koji builder daemon", roff.section("SYNOPSIS")]
    lines += [roff.escape(str(DEFAULT_FILE)), roff.section("DESCRIPTION"), *roff.paragraph(_DESCRIPTION)]
    lines += [roff.section("OPTIONS")]
    for group in GROUPS:
        lines += [roff.subsection(group.title)]
        for option in group.options:
            lines += _option(option)
    lines += [
        roff.subsection("Resource limits"),
        *roff.item(rf"{roff.bold('RLIMIT_')}{roff.italic('NAME')}", LIMIT_HELP),
    ]
    lines += [roff.section("NAMES OF OTHER RELEASES")]
    lines += roff.paragraph("Accepted with a warning, so that one file serves a mixed fleet:")
    for name, reason in RETIRED.items():
        lines += roff.item(roff.bold(name), f"{reason}.")
    return roff.page([*lines, roff.section("SEE ALSO"), "kojid(8)", ""])


def _option(option: Option) -> List[str]:
    names = ", ".join(roff.bold(name) for name in (option.name, *option.aliases))
    label = f"{names} ({roff.escape(option.kind.name)})"
    if option.obsolete:
        return roff.item(label, f"Obsolete: {option.obsolete}.")
    return roff.item(label, f"{option.help} {_default(option)}")


def _default(option: Option) -> str:
    flags = f" On the command line: {', '.join(option.flags)}." if option.flags else ""
    if option.default is None:
        return flags
    shown = option.kind.show(option.default)
    return f"Default: {shown or 'empty'}.{flags}"
