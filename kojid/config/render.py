"""Text derived from the option table: the sample configuration and the option reference.

`python -m kojid.config.render conf|reference` prints one of them; a test holds the committed files against it.
"""

from __future__ import annotations

import sys
import textwrap
from typing import List

from kojid.config.loader import SECTION
from kojid.config.options import GROUPS, RETIRED, Option

_HEAD = """\
; Configuration of kojid, the builder daemon. Lines that start with ; are comments; options
; that are commented out show their default or an example. Files named kojid.conf.d/*.conf
; beside this one are read after it. `kojid check` tells what is wrong with it.
"""


def sample_conf() -> str:
    """The text of `etc/kojid.conf`: every option with its help, the defaults as comments."""
    lines: List[str] = [_HEAD, f"[{SECTION}]"]
    for group in GROUPS:
        lines += ["", f"; --- {group.title} ---"]
        for option in group.options:
            if not option.obsolete:
                lines += ["", *_comment(option), _setting(option)]
    lines += ["", "; --- Resource limits ---", "", *_wrap(LIMIT_HELP), "; RLIMIT_NOFILE = 65536", ""]
    return "\n".join(lines)


LIMIT_HELP = (
    "Any limit of setrlimit(2) for the daemon and its tasks, as SOFT or SOFT HARD; "
    "a single number keeps the hard limit."
)


def _comment(option: Option) -> List[str]:
    return _wrap(f"{option.help} ({option.kind.name})" if option.kind.name != "string" else option.help)


def _wrap(text: str) -> List[str]:
    return textwrap.wrap(text, 92, initial_indent="; ", subsequent_indent="; ")


def _setting(option: Option) -> str:
    value = option.sample or ("" if option.default is None else option.kind.show(option.default))
    text = f"{option.name} = {value}".rstrip()
    return text if option.active else f"; {text}"


def reference() -> str:
    """The option reference in Markdown."""
    lines = ["# Options of kojid.conf", "", "Made from the option table in `kojid/config/options.py`.", ""]
    for group in GROUPS:
        lines += [f"## {group.title}", "", "| option | kind | default | on the command line | meaning |"]
        lines += ["|---|---|---|---|---|"]
        lines += [_reference_row(option) for option in group.options]
        lines += [""]
    lines += ["## Resource limits", "", f"`RLIMIT_*`: {LIMIT_HELP}", ""]
    lines += ["## Names of other releases", "", "Accepted with a warning, so that one file serves a mixed fleet:", ""]
    lines += [f"- `{name}`: {reason}." for name, reason in RETIRED.items()]
    return "\n".join(lines) + "\n"


def _reference_row(option: Option) -> str:
    names = " or ".join(f"`{name}`" for name in (option.name, *option.aliases))
    default = "" if option.default is None else f"`{option.kind.show(option.default)}`"
    if default == "``":
        default = "empty"
    flags = ", ".join(f"`{flag}`" for flag in option.flags)
    meaning = f"Obsolete: {option.obsolete}." if option.obsolete else option.help
    return "| " + " | ".join([names, option.kind.name, default, flags, meaning.replace("|", "\\|")]) + " |"


if __name__ == "__main__":
    sys.stdout.write({"conf": sample_conf, "reference": reference}[sys.argv[1]]())
