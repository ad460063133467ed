"""The configuration: its files, its names and the values that a reader of single lines can't judge."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import stat
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import urlsplit

from kojid.cli import logsetup
from kojid.cli.checks.base import Check, Context, Finding, fine, told, unless_any, warn, wrong
from kojid.config import loader
from kojid.config.kinds import INT
from kojid.config.options import BY_NAME, OPTIONS

SECTION = "configuration"
_READY_SECONDS = 180  # the hub takes a host that says nothing for so long as not ready (contract 4.3)
_AT_LEAST_ONE = ("sleeptime", "maxjobs", "mount_timeout", "command_timeout", "rpmbuild_timeout", "timeout")
_PERCENTAGES = ("max_pressure_cpu", "max_pressure_memory", "max_pressure_io")
_PATHS = ("topdir", "workdir", "state_dir", "mockdir", "mock_config_dir", "mockpath", "log_file", "task_log_dir",
          "chroot_tmpdir", "cert", "serverca", "keytab", "plugin_config_dir", "scm_home", "scm_ssh_key",
          "scm_credentials_dir", "metrics_file")  # fmt: skip
_APART = ("mockdir", "workdir", "state_dir", "mock_config_dir", "topdir")


def _problems(context: Context, kind: str) -> Iterator[Finding]:
    for problem in context.survey.problems:
        if problem.kind == kind:
            yield wrong(f"{problem.place}: {problem.text}", problem.hint or _remedy_of(problem.option))


def _remedy_of(name: str) -> str:
    option = BY_NAME.get(name)
    return f"{option.name} ({option.kind.name}): {option.help}" if option else ""


def _files(context: Context) -> Iterator[Finding]:
    survey = context.survey
    unreadable = list(_problems(context, loader.FILE))
    yield from unreadable
    if not survey.files and not unreadable:
        yield wrong(f"there is no {context.config}", "copy the etc/kojid.conf that comes with kojid there, or use -c")
    for file in survey.files:
        yield fine(str(file))


def _syntax(context: Context) -> Iterator[Finding]:
    return unless_any(_problems(context, loader.SYNTAX), "every line can be read")


def _names(context: Context) -> Iterator[Finding]:
    return unless_any(_problems(context, loader.NAME), "every section and option is known")


def _values(context: Context) -> Iterator[Finding]:
    found = itertools.chain(_problems(context, loader.VALUE), _comments_in_values(context))
    return unless_any(found, f"{len(context.survey.given)} options are set")


def _comments_in_values(context: Context) -> Iterator[Finding]:
    """What looks like a comment behind a value is a part of it, as with the stock daemon."""
    for option in OPTIONS:
        value = getattr(context.options, option.name)
        if option.name in context.survey.given and not option.secret and isinstance(value, str):
            comment = re.search(r"\s[;#].*", value)
            if comment:
                yield warn(
                    f"{option.name}: {comment.group().strip()!r} is taken for a part of the value",
                    "give a comment a line of its own",
                )


def _required(context: Context) -> Iterator[Finding]:
    return unless_any(map(told, context.survey.missing), "server and topurl are set")


def _retired(context: Context) -> Iterator[Finding]:
    return unless_any(map(warn, context.survey.warnings), "nothing in it is out of date")


def _urls(context: Context) -> Iterator[Finding]:
    options = context.options
    named = [("server", options.server)] if options.server else []
    named += [("topurl", url) for url in options.topurls]
    for name, url in named:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            yield wrong(f"{name}: {url!r} is no URL", f"write it as {BY_NAME[name].sample}")
    if options.server and urlsplit(options.server).scheme == "http" and options.user:
        yield warn(f"server: the password goes over the line in clear: {options.server}", "use https")


def _ranges(context: Context) -> Iterator[Finding]:
    options = context.options
    for option in OPTIONS:
        value = getattr(options, option.name)
        if option.kind is not INT or value is None:
            continue
        least = 1 if option.name in _AT_LEAST_ONE else 0
        if value < least:
            yield wrong(f"{option.name} = {value}: it must be at least {least}", _remedy_of(option.name))
        elif option.name in _PERCENTAGES and value > 100:
            yield wrong(f"{option.name} = {value}: it is a percentage", _remedy_of(option.name))
    if options.sleeptime >= _READY_SECONDS:
        yield warn(
            f"sleeptime = {options.sleeptime}: a host that is silent for {_READY_SECONDS} s is not ready to the hub",
            "set sleeptime to a minute or less",
        )


def _log_level(context: Context) -> Iterator[Finding]:
    logsetup.level_of(context.options)
    yield fine(str(context.options.log_level or "WARNING, or what the command line says"))


def _limits(context: Context) -> Iterator[Finding]:
    for name, value in loader.limits(context.options).items():
        soft, hard = loader.soft_and_hard(name, value)
        if hard != -1 and (soft > hard or soft == -1):
            yield wrong(f"{name} = {value}: the soft limit is above the hard one, {hard}", "write SOFT HARD")


def _secrets(context: Context) -> Iterator[Finding]:
    """Passwords in a file that everybody may read."""
    secret = [option.name for option in OPTIONS if option.secret and option.name in context.survey.given]
    for file in context.survey.files if secret else ():
        if file.stat().st_mode & stat.S_IROTH and _holds(file, secret):
            yield warn(f"{file} can be read by everybody and holds {' and '.join(secret)}", f"chmod o= {file}")


def _holds(file: Path, names: Any) -> bool:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        lines = file.read_text(encoding="utf-8").splitlines()
        return any(line.split("=")[0].split(":")[0].strip().lower() in names for line in lines)
    return False


def _absolute(context: Context) -> Iterator[Finding]:
    options = context.options
    for name in _PATHS:
        value = str(getattr(options, name) or "")
        if value and not os.path.isabs(value):
            yield wrong(f"{name} = {value}: it does not begin with /", f"write the whole path of {name}")
    places = [(name, os.path.normpath(str(getattr(options, name)))) for name in _APART]
    for number, (name, path) in enumerate(places):
        for other, second in places[number + 1 :]:
            if path == second:
                yield wrong(f"{name} and {other} are the same directory, {path}", "give each its own")


def _scms(context: Context) -> Iterator[Finding]:
    options = context.options
    for entry in options.allowed_scms.split():
        if ":" not in entry:
            yield wrong(
                f"allowed_scms: {entry!r} is ignored", "write HOST:REPOSITORY[:USE_COMMON[:SOURCE_CMD]], globs allowed"
            )
    if options.allowed_scms and not options.allowed_scms_use_config:
        yield warn("allowed_scms is set and allowed_scms_use_config is off: it is not looked at", "set only one")


ROWS = (
    Check(SECTION, "file", "the configuration files", "make them readable for root, as UTF-8 text", _files),
    Check(SECTION, "syntax", "their lines", "mend the line: NAME = VALUE, comments begin with ;", _syntax),
    Check(SECTION, "names", "sections and options", "take the line out; docs/options.md has every option", _names),
    Check(SECTION, "values", "kinds of values", "docs/options.md has the kind of each option", _values),
    Check(SECTION, "required", "options that must be set", "set them", _required),
    Check(SECTION, "retired", "names of other releases", "take the line out when no older kojid reads it", _retired),
    Check(SECTION, "urls", "server and topurl", "write whole URLs",
          lambda context: unless_any(_urls(context), "server and topurl are URLs")),
    Check(SECTION, "ranges", "numbers", "docs/options.md has their meaning",
          lambda context: unless_any(_ranges(context), "all numbers make sense")),
    Check(SECTION, "log_level", "log_level", "set it to DEBUG, INFO, WARNING, ERROR or CRITICAL", _log_level),
    Check(SECTION, "limits", "resource limits", "write SOFT HARD",
          lambda context: unless_any(_limits(context), "resource limits can be set")),
    Check(SECTION, "secrets", "passwords in files", "chmod o= the file",
          lambda context: unless_any(_secrets(context), "no password can be read by others")),
    Check(SECTION, "absolute", "paths as they are written", "write whole paths",
          lambda context: unless_any(_absolute(context), "paths are whole and apart from each other")),
    Check(SECTION, "allowed_scms", "allowed_scms", "write HOST:REPOSITORY[:USE_COMMON[:SOURCE_CMD]]",
          lambda context: unless_any(_scms(context), f"{len(context.options.allowed_scms.split())} entries")),
)  # fmt: skip
