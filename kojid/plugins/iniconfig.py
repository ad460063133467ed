"""The configuration files of shipped plugins: /etc/kojid/plugins/NAME.conf, an INI file each (contract 2.3).

As in the stock plugins values are interpolated, `%%` is a percent sign, and a file that is not there is an empty one.
Every problem is one line that names the file, the section and the option.
"""

from __future__ import annotations

import configparser
import logging
from pathlib import Path
from typing import List, Mapping, Optional, Sequence

from kojid.errors import ConfigError, explain

_log = logging.getLogger("koji.plugin")
_BOOLEANS = configparser.ConfigParser.BOOLEAN_STATES


class IniConfig:
    """One plugin's configuration.

    Args:
        directory: the option `plugin_config_dir`.
        plugin: the plugin's name.

    Raises:
        ConfigError: the file can't be read, or is no INI file.
    """

    def __init__(self, directory: str, plugin: str) -> None:
        self.path = Path(directory) / f"{plugin}.conf"
        self._plugin = plugin
        self._parser = configparser.ConfigParser()
        try:
            self._parser.read_string(self.path.read_text(encoding="utf-8"), source=str(self.path))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self.problem(f"cannot be read: {error.strerror}") from error
        except (configparser.Error, UnicodeDecodeError) as error:
            raise self.problem(f"is no INI file: {_one_line(error)}") from error

    def problem(self, text: str, section: str = "", option: str = "") -> ConfigError:
        """The error for something wrong in the file, to be raised."""
        place = f"{f' [{section}]' if section else ''}{f' {option}' if option else ''}"
        hint = f"mend it, or take {self._plugin} out of the plugin option"
        return ConfigError(f"{self.path}:{place}{':' if place else ''} {text}", hint)

    def warn(self, section: str, option: str, text: str) -> None:
        """Say in the log what is odd about an option."""
        _log.warning("%s: [%s] %s %s", self.path, section, option, text)

    def sections(self) -> List[str]:
        """The names of its sections."""
        return self._parser.sections()

    def text(self, section: str, option: str) -> Optional[str]:
        """A value; None when it is not set.

        Raises:
            ConfigError: its interpolation fails.
        """
        try:
            value = self._parser.get(section, option, fallback=None)
        except configparser.Error as error:
            raise self.problem(_one_line(error), section, option) from error
        return None if value is None else value.strip()

    def boolean(self, section: str, option: str) -> Optional[bool]:
        """A value that is yes or no; None when it is not set. Raises ConfigError."""
        value = self.text(section, option)
        if value is None:
            return None
        if value.lower() not in _BOOLEANS:
            raise self.problem(f"{value!r} is neither yes nor no", section, option)
        return _BOOLEANS[value.lower()]

    def items(self, section: str, option: str, separator: Optional[str] = None) -> List[str]:
        """A value that is a list, blanks around its parts taken off; empty when it is not set. Raises ConfigError."""
        parts = (self.text(section, option) or "").split(separator)
        return [part.strip() for part in parts if part.strip()]

    def warn_of_unknown(self, known: Mapping[str, Sequence[str]]) -> None:
        """Say in the log which options nothing reads.

        Args:
            known: the options by section.
        """
        for section in self.sections():
            for option in self._parser[section]:
                if option not in known.get(section, ()) and option not in self._parser.defaults():
                    self.warn(section, option, "is not known and ignored")


def _one_line(error: Exception) -> str:
    return " ".join(explain(error).split())
