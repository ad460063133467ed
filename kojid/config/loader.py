"""Reading kojid.conf: raw INI, one section, every problem as one line with file, line and nearest name (contract 2.1).

Order: built-in default, the main file (or every *.conf of a directory), the *.conf files of `<main file>.d`, the
command line. Nothing here touches the machine: no directory is made and no global is set.
"""

from __future__ import annotations

import difflib
import os
import resource
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, FrozenSet, Iterator, List, Mapping, Optional, Tuple

from kojid.config import inifile
from kojid.config.kinds import LIMIT
from kojid.config.options import BY_NAME, RETIRED, Option, Options
from kojid.errors import ConfigError, UsageError

SECTION = "kojid"
FILE, SYNTAX, NAME, VALUE = "file", "syntax", "name", "value"  # kinds of problems
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


@dataclass(frozen=True)
class Problem:
    """What is wrong at a place of a configuration file.

    Args:
        kind: FILE, SYNTAX, NAME or VALUE.
        place: the file, with the line where there is one.
        text: what is wrong.
        hint: what to do about it, if that can be told.
        option: the option whose value is wrong.
    """

    kind: str
    place: str
    text: str
    hint: str = ""
    option: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.text}{f' ({self.hint})' if self.hint else ''}"


@dataclass
class Survey:
    """All that can be told of a configuration, right or wrong.

    Args:
        options: the settings, with the default where a line is wrong.
        given: the names that the files set to something that can be used.
        files: the files that could be read, in their order.
        problems: what is wrong.
        missing: the errors for what must be set and is not.
        warnings: lines for the log: retired and obsolete names.
    """

    options: Options
    given: FrozenSet[str]
    files: List[Path]
    problems: List[Problem]
    missing: List[UsageError]
    warnings: List[str]


def survey(path: Path, overrides: Optional[Mapping[str, Any]] = None) -> Survey:
    """Read the configuration as `load` does, and go on past whatever is wrong with it; arguments as there."""
    reader = _Reader()
    for file in config_files(path):
        reader.read(file)
    values = dict(reader.values)
    values.update({name: value for name, value in (overrides or {}).items() if value is not None})
    warnings = list(reader.warnings)
    _warn_obsolete(values, warnings)
    missing = list(_missing(values, path, reader.files))
    given = frozenset(values)
    for name, default in _DEFAULT_IF_THERE.items():
        if values.get(name) is None and os.path.exists(default):
            values[name] = default
    options = Options(values)
    options.split_topurl()
    return Survey(options, given, reader.files, reader.problems, missing, warnings)


def load(path: Path, overrides: Optional[Mapping[str, Any]] = None) -> Loaded:
    """Read the configuration.

    Args:
        path: the main file, or a directory whose *.conf files are read by name.
        overrides: values of the command line by option name; None counts as not given.

    Raises:
        ConfigError: an unknown section or option, a wrong type, an unreadable or malformed file.
        UsageError: `server` or `topurl` is not set anywhere.
    """
    found = survey(path, overrides)
    if found.problems:
        raise ConfigError("\n".join(map(str, found.problems)))
    if found.missing:
        raise found.missing[0]
    return Loaded(found.options, found.files, found.warnings)


def config_files(path: Path) -> List[Path]:
    """The files to read for a `-c` argument, in their order; a missing main file is simply absent (contract 2.1)."""
    if path.is_dir():
        return sorted(path.glob("*.conf"))
    main = [path] if path.exists() else []
    return main + sorted(path.parent.joinpath(path.name + ".d").glob("*.conf"))


def limits(options: Options) -> Dict[str, str]:
    """The RLIMIT_ options as the resource module's constant name to "SOFT" or "SOFT HARD" (contract 1.9)."""
    return {name.upper(): value for name, value in options if name.upper() in _limit_names()}


def soft_and_hard(name: str, value: str) -> Tuple[int, int]:
    """What a RLIMIT_ option sets a limit to; a single number keeps the hard limit that is in force (contract 1.9)."""
    words = [int(word) for word in value.split()]
    return (words[0], words[1]) if len(words) > 1 else (words[0], resource.getrlimit(getattr(resource, name))[1])


def _limit_names() -> List[str]:
    return [name for name in dir(resource) if name.startswith("RLIMIT_")]


class _Reader:
    """Collects values and problems over several files, so that an admin sees all problems at once."""

    def __init__(self) -> None:
        self.values: Dict[str, Any] = {}
        self.files: List[Path] = []
        self.problems: List[Problem] = []
        self.warnings: List[str] = []

    def read(self, file: Path) -> None:
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            self.problems.append(Problem(FILE, str(file), f"cannot be read: {error.strerror}"))
            return
        except UnicodeDecodeError as error:
            self.problems.append(Problem(FILE, str(file), f"is not UTF-8 text (byte {error.start})"))
            return
        self.files.append(file)
        before = len(self.problems)
        self._take_all(file, text)
        self.problems[before:] = sorted(self.problems[before:], key=lambda one: int(one.place.rpartition(":")[2]))

    def _take_all(self, file: Path, text: str) -> None:
        parser, malformed = inifile.parse(text, SECTION)
        self.problems += [Problem(SYNTAX, f"{file}:{line}", words) for line, words in malformed]
        for section in parser.sections():
            if section != SECTION:
                place = f"{file}:{_line_of_section(text, section)}"
                words = f"invalid section found in config file: {section}"
                self.problems.append(Problem(NAME, place, words, f"only [{SECTION}] is read"))
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
            self.problems.append(Problem(NAME, place, f"unknown config option: {name}", _nearest(name)))
            return
        target, option = found
        try:
            self.values[target] = option.kind.parse(value)
        except ValueError as error:
            self.problems.append(Problem(VALUE, place, f"{name}: {error}", option=name))


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
    return f"did you mean {near[0]}?" if near else ""


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


def _missing(values: Dict[str, Any], path: Path, files: List[Path]) -> Iterator[UsageError]:
    where = str(files[0]) if files else f"{path} (which does not exist)"
    for name in ("server", "topurl"):
        if not str(values.get(name) or "").strip():
            yield UsageError(
                f"the {name} option is required", f"set it in section [{SECTION}] of {where}, or use --{name}"
            )
