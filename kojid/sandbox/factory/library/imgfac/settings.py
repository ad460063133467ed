"""Configuration, plugins and ports, each the same object for all."""

from __future__ import annotations

import os
from typing import Any, ClassVar, Dict, Optional


class ImageFactoryException(Exception):
    """What is asked of the library makes no sense."""


_PATHS = ("oz_data_dir", "oz_screenshot_dir", "imgdir", "tmpdir")
_VALUES: Dict[str, Any] = {
    "verbose": True,
    "output": "log",
    "raw": False,
    "debug": True,
    "image_manager": "file",
    "plugins": "/etc/imagefactory/plugins.d",
    "rhevm_image_format": "qcow2",
    "tdl_require_root_pw": False,
}
_OTHERS = ("timeout", "image_manager_args")


class ApplicationConfiguration:
    """The library's configuration: the first one that is given counts.

    Args:
        configuration: the options; those that a builder of Koji sets, and no others.
    """

    configuration: ClassVar[Dict[str, Any]] = {}

    def __init__(self, configuration: Optional[Dict[str, Any]] = None) -> None:
        if self.configuration:
            return
        if not isinstance(configuration, dict):
            raise ImageFactoryException("ApplicationConfiguration configuration argument must be a dict")
        if set(configuration) != {*_PATHS, *_VALUES, *_OTHERS}:
            raise ImageFactoryException(f"options missing or unknown: {sorted(configuration)}")
        wrong = {name: configuration[name] for name, value in _VALUES.items() if configuration[name] != value}
        storage = configuration["image_manager_args"]["storage_path"]
        places = [*(configuration[name] for name in _PATHS), storage]
        if wrong or len({os.path.dirname(place) for place in places}) != 1:
            raise ImageFactoryException(f"options are wrong, or paths outside of one directory: {wrong} {places}")
        if configuration["timeout"] is not None and not isinstance(configuration["timeout"], int):
            raise ImageFactoryException("timeout is not in seconds")
        self.configuration.update(configuration)


class PluginManager:
    """The library's plugins.

    Args:
        path: where they are told.
    """

    loaded: ClassVar[bool] = False

    def __init__(self, path: str) -> None:
        if path != _VALUES["plugins"]:
            raise ImageFactoryException(f"Plugin path ({path}) does not exist! No plugins loaded.")

    def load(self) -> None:
        """Load them."""
        PluginManager.loaded = True


class ReservationManager:
    """The ports on which guests report."""

    MIN_PORT = 1025
    MAX_PORT = 65535
    _instance: ClassVar[Optional[ReservationManager]] = None
    _listen_port = MIN_PORT

    def __new__(cls) -> ReservationManager:
        """The one that there is."""
        cls._instance = cls._instance or super().__new__(cls)
        return cls._instance

    def listen_port(self) -> int:
        """A port for a guest."""
        if self._listen_port == self.MIN_PORT or not self.MIN_PORT < self._listen_port < self.MAX_PORT:
            raise ImageFactoryException(f"the port {self._listen_port} is every process's first")
        return self._listen_port
