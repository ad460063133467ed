"""Finding task handlers: the built-in ones, then those of plugins, which may override them (contract 10.1)."""

from __future__ import annotations

import inspect
import logging
from typing import Any, Dict, Iterable, Mapping

import koji
import koji.plugin
import koji.tasks

from kojid.errors import ConfigError, explain
from kojid.plugins import surface

_log = logging.getLogger("koji.plugin")

Handlers = Dict[str, Any]


def load(builtin: Mapping[str, Any], names: Iterable[str], path: str) -> Handlers:
    """The handlers by method.

    Args:
        builtin: the daemon's own.
        names: the plugins, in the order in which they are loaded.
        path: directories separated by colons.

    Raises:
        ConfigError: a plugin is missing or can't be loaded; the daemon does not start (contract 10.1).
    """
    handlers: Handlers = dict(builtin)
    names = list(names)
    if not names:
        return handlers
    surface.publish()
    tracker = koji.plugin.PluginTracker(path=path.split(":"))
    for name in names:
        _log.info("Loading plugin: %s", name)
        try:
            module = tracker.load(name)
        except Exception as error:
            raise ConfigError(
                f"Loading plugin {name} failed: {explain(error)}",
                f"plugins are looked for in {path}; take it out of the plugin option to start without it",
            ) from error
        handlers.update(scan(vars(module)))
    return handlers


def scan(namespace: Mapping[str, Any]) -> Handlers:
    """Register callbacks and collect handlers of one plugin's names; everything imported into it counts."""
    found: Handlers = {}
    for value in list(namespace.values()):
        if inspect.isclass(value) and issubclass(value, koji.tasks.BaseTaskHandler):
            methods: Iterable[str] = value.Methods  # type: ignore[attr-defined]
            found.update(dict.fromkeys(methods, value))
        elif callable(value):
            for kind in getattr(value, "callbacks", None) or ():
                koji.plugin.register_callback(kind, value)
    return found
