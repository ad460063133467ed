"""Reading kojid.conf: raw INI, one section, every problem as one line with file, line and nearest name (contract 2.1).

Order: built-in default, the main file (or every *.conf of a directory), the *.conf files of `<main file>.d`, the
command line. Nothing here touches the machine: no directory is made and no global is set.
"""

from __future__ import annotations

import configparser
import difflib
import os
import resource
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from kojid.config.kinds import LIMIT
from kojid.config.options import BY_NAME, RETIRED, Option, Options
from kojid.errors import ConfigError, UsageError

SECTION = "kojid"
DEFAULT_FILE = Path("/etc/kojid/kojid.conf")
_DEFAULT_IF_THERE = {"cert": "/etc/kojid/client.crt", "serverca": "/etc/kojid/serverca.crt"}


@dataclass
class Loaded:
    """What a load gave.

    Args:
        options: the settings.
        files: the files that were read, in their order.
        warnings: lines for the log: retired and obsolete names.
    """

    options: Options
    files: List[Path] = field(default_factory=list)
    warnings: List[str] = field(default_factory=list)


def load(path: Path, overrides: Optional[Mapping[str, Any]] = None) -> Loaded:
    """Read the configuration.

    Args:
        path: the main file, or a directory whose *.conf files are read by name.
        overrides: values of the command line by option name; None counts as not given.

    Raises:
        ConfigError: an unknown section or option, a wrong type, an unreadable or malformed file.
        UsageError: `server` or `topurl` is not set anywhere.
    """
    reader = _Reader()
    for file in config_files(path):
        reader.read(file)
    if reader.problems:
        raise ConfigError("\n".join(reader.problems))
    values = dict(reader.values)
    values.update({name: value for name, value in (overrides or {}).items() if value is not None})
    _warn_obsolete(values, reader.warnings)
    _require(values, path, reader.files)
    for name, default in _DEFAULT_IF_THERE.items():
        if values.get(name) is None and os.path.exists(default):
            values[name] = default
    options = Options(values)
    options.split_topurl()
    return Loaded(options, reader.files, reader.warnings)


def config_files(path: Path) -> List[Path]:
    """The files to read for a `-c` argument, in their order; a missing main file is simply absent (contract 2.1)."""
    if path.is_dir():
        return sorted(path.glob("*.conf"))
    main = [path] if path.exists() else []
    return main + sorted(path.parent.joinpath(path.name + ".d").glob("*.conf"))


def limits(options: Options) -> Dict[str, str]:
    """The RLIMIT_ options as the resource module's constant name to "SOFT" or "SOFT HARD" (contract 1.9)."""
    return {name.upper(): value for name, value in options if name.upper() in _limit_names()}


def _limit_names() -> List[str]:
    return [name for name in dir(resource) if name.startswith("RLIMIT_")]


class _Reader:
    """Collects values and problems over several files, so that an admin sees all problems at once."""

    def __init__(self) -> None:
        self.values: Dict[str, Any] = {}
        self.files: List[Path] = []
        self.problems: List[str] = []
        self.warnings: List[str] = []

    def read(self, file: Path) -> None:
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            self.problems.append(f"{file}: cannot be read: {error.strerror}")
            return
        except UnicodeDecodeError as error:
            self.problems.append(f"{file}: is not UTF-8 text (byte {error.start})")
            return
        self.files.append(file)
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(text, source=str(file))
        except configparser.Error as error:
            self.problems.append(_malformed(file, error))
            return
        for section in parser.sections():
            if section != SECTION:
                line = _line_of_section(text, section)
                self.problems.append(
                    f"{file}:{line}: invalid section found in config file: {section} (only [{SECTION}] is read)"
                )
        items = parser.items(SECTION) if parser.has_section(SECTION) else list(parser.defaults().items())
        for name, value in items:
            self._take(file, text, name, value or "")

    def _take(self, file: Path, text: str, name: str, value: str) -> None:
        place = f"{file}:{_line_of_option(text, name)}"
        if name in RETIRED:
            self.warnings.append(f"{place}: {name} is no longer used and ignored: {RETIRED[name]}")
            return
        found = _find(name)
        if found is None:
            self.problems.append(f"{place}: unknown config option: {name}{_nearest(name)}")
            return
        target, option = found
        try:
            self.values[target] = option.kind.parse(value)
        except ValueError as error:
            self.problems.append(f"{place}: {name}: {error}")


def _find(name: str) -> Optional[Tuple[str, Option]]:
    """The attribute that a file's name sets and its row; a resource limit has a row made for it."""
    if name in BY_NAME:
        return BY_NAME[name].name, BY_NAME[name]
    if name.upper() in _limit_names():
        return name.upper(), Option(name, LIMIT, None, "A resource limit of the daemon and its tasks.")
    return None


def _nearest(name: str) -> str:
    known = list(BY_NAME) + [limit.lower() for limit in _limit_names()]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""


def _malformed(file: Path, error: configparser.Error) -> str:
    """One line for a file that is not INI; the parser's own text spreads over several."""
    line = getattr(error, "lineno", None)
    if line is None and getattr(error, "errors", None):
        line = error.errors[0][0]  # type: ignore[attr-defined]
    words = {
        "DuplicateOptionError": "the option {option} is set twice",
        "DuplicateSectionError": "the section [{section}] stands twice",
        "MissingSectionHeaderError": f"there is no [{SECTION}] line before the first option",
        "ParsingError": "this is neither an option nor a comment; write NAME = VALUE",
    }
    text = words.get(type(error).__name__, "this can't be read: {message}").format(**vars(error))
    return f"{file}:{line or 1}: {text}"


def _line_of_section(text: str, section: str) -> int:
    return _line_where(text, lambda line: line.strip().startswith(f"[{section}]"))


def _line_of_option(text: str, name: str) -> int:
    def sets(line: str) -> bool:
        head = line.replace(":", "=", 1) if "=" not in line else line
        return not line[:1].isspace() and head.partition("=")[0].strip().lower() == name

    return _line_where(text, sets)


def _line_where(text: str, matches: Any) -> int:
    return next((number for number, line in enumerate(text.splitlines(), 1) if matches(line)), 1)


def _warn_obsolete(values: Dict[str, Any], warnings: List[str]) -> None:
    warnings.extend(
        f"the option {name} is obsolete and ignored: {BY_NAME[name].obsolete}"
        for name in values
        if name in BY_NAME and BY_NAME[name].obsolete
    )


def _require(values: Dict[str, Any], path: Path, files: List[Path]) -> None:
    where = str(files[0]) if files else f"{path} (which does not exist)"
    for name in ("server", "topurl"):
        if not str(values.get(name) or "").strip():
            raise UsageError(
                f"the {name} option is required", f"set it in section [{SECTION}] of {where}, or use --{name}"
            )
