"""Finding task handlers: the built-in ones, then those of plugins, which may override them (contract 10.1)."""

from __future__ import annotations

import inspect
import logging
import re
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, Iterable, Mapping, Optional

import koji
import koji.plugin
import koji.tasks

from kojid.config.options import Options
from kojid.errors import ConfigError, explain
from kojid.plugins import shipped
from kojid.tasks.base import BaseTaskHandler

_log = logging.getLogger("koji.plugin")

Handlers = Any  # class by method: a dictionary, or the registry's, which loads them when they are wanted

SHIPPED = Path(str(shipped.__file__)).parent


def load(builtin: Handlers, names: Iterable[str], path: str, options: Optional[Options] = None) -> Handlers:
    """The handlers by method.

    Args:
        builtin: the daemon's own.
        names: the plugins, in the order in which they are loaded.
        path: directories separated by colons; the plugins that come with the builder are looked for after them.
        options: the daemon's settings, with which the configurations of shipped plugins are checked; None: not checked.

    Raises:
        ConfigError: a plugin is missing, can't be loaded or has a wrong configuration; the daemon does not start
            (contract 10.1).
    """
    handlers: Handlers = builtin.copy()
    names = list(names)
    if not names:
        return handlers
    from kojid.plugins import surface  # with all that plugins may ask for: most hosts have none

    surface.publish()
    tracker = koji.plugin.PluginTracker(path=[*path.split(":"), str(SHIPPED)])
    for name in names:
        _log.info("Loading plugin: %s", name)
        try:
            module = tracker.load(name)
            found = scan(vars(module))
        except (Exception, SystemExit) as error:
            _log.error("Plugin %s: %s", name, traceback.format_exc().rstrip())
            raise ConfigError(
                f"Loading plugin {name} failed: {_why(error)}",
                f"plugins are looked for in {path}; take it out of the plugin option to start without it",
            ) from error
        _log.info("Plugin %s is %s", name, module.__file__)
        if options is not None:
            _check(module, options)
        handlers.update(found)
    return handlers


def _why(error: BaseException) -> str:
    """What went wrong with a plugin, and of a name that is not there whether the stock daemon has it."""
    from kojid.plugins import surface

    asked = (
        re.search(r"cannot import name '(\w+)' from '__main__'", str(error)) if isinstance(error, ImportError) else None
    )
    return (surface.missing(asked.group(1)) if asked else "") or explain(error)


def _check(module: ModuleType, options: Options) -> None:
    """Have a shipped plugin look at its configuration; a site's own may call anything `check`."""
    if Path(str(module.__file__)).parent == SHIPPED and hasattr(module, "check"):
        module.check(options)


def recheck(options: Options) -> None:
    """Look at the configurations of the shipped plugins that are loaded, before the daemon begins anew with others.

    Args:
        options: the settings as they would be.

    Raises:
        ConfigError: one is wrong.
    """
    for name in options.plugin:
        module = sys.modules.get(f"_koji_plugin__{name}")
        if module is not None:
            _check(module, options)


def scan(namespace: Mapping[str, Any]) -> Handlers:
    """Register callbacks and collect handlers of one plugin's names; everything imported into it counts."""
    found: Dict[str, Any] = {}
    for value in list(namespace.values()):
        if inspect.isclass(value) and issubclass(value, koji.tasks.BaseTaskHandler):
            methods: Iterable[str] = value.Methods  # type: ignore[attr-defined]
            found.update(dict.fromkeys(methods, adopt(value)))
        elif callable(value):
            for kind in getattr(value, "callbacks", None) or ():
                koji.plugin.register_callback(kind, value)
    return found


def adopt(handler: Any) -> Any:
    """A handler class with this daemon's base below its own code (design, decision 3).

    A plugin's class derives from the library's base. What it leaves to that base (waiting, uploads, the working
    directory) is then done by ours, which has the library's weak spots mended; what it does itself stays as it is.
    """
    if issubclass(handler, BaseTaskHandler) or not handler.Methods:
        return handler
    own = {"__module__": handler.__module__, "__qualname__": handler.__qualname__, "__doc__": handler.__doc__}
    return type(handler)(handler.__name__, (handler, BaseTaskHandler), own)
