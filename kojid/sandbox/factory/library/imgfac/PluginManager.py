"""The library's plugins."""

from .settings import PluginManager

__all__ = ["PluginManager"]
