"""Plugins: found, loaded, and with a configuration that they can use. Each is loaded in a process of its own."""

from __future__ import annotations

import logging
import os
from typing import Iterator, List

from kojid.cli.checks.base import Check, Context, Finding, fine, told, unless_any, warn
from kojid.config.options import BY_NAME, Options
from kojid.errors import ConfigError
from kojid.plugins import loader
from kojid.tasks import registry

SECTION = "plugins"
_SECONDS = 30.0


class _Warnings(logging.Handler):
    """Keeps what a plugin warns of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: List[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record; errors come as exceptions, too."""
        if record.levelno == logging.WARNING:
            self.texts.append(record.getMessage())


def _path(context: Context) -> Iterator[Finding]:
    options = context.options
    for directory in options.pluginpath.split(":"):
        if directory and not os.path.isdir(directory) and options.pluginpath != BY_NAME["pluginpath"].default:
            yield warn(f"{directory} of pluginpath does not exist", "make it, or take it out of pluginpath")
    for name in sorted({name for name in options.plugin if options.plugin.count(name) > 1}):
        yield warn(f"{name} is named twice in plugin", "take one out")


def _plugin(context: Context, name: str) -> Iterator[Finding]:
    options = context.options
    warnings = _Warnings()
    logging.getLogger("koji").addHandler(warnings)
    try:
        found = loader.load({}, [name], options.pluginpath, options)
    except ConfigError as error:
        yield told(error)
        return
    for text in warnings.texts:
        yield warn(f"{name}: {text}", "mend its configuration")
    replaced = sorted(method for method in found if method in registry.handlers())
    if replaced:
        yield fine(f"{name}; it takes the place of {', '.join(replaced)}")
    else:
        yield fine(f"{name}{': ' if found else ''}{', '.join(sorted(found))}")


def _configured(options: Options) -> List[str]:
    return list(dict.fromkeys(options.plugin))


ROWS = (
    Check(SECTION, "pluginpath", "where plugins are looked for", "mend pluginpath",
          lambda context: unless_any(_path(context), context.options.pluginpath)),
    Check(SECTION, "plugin", "the plugin", "take it out of the plugin option to start without it", _plugin,
          seconds=_SECONDS, alone=True, each=_configured),
)  # fmt: skip
