"""The library's configuration."""

from .settings import ApplicationConfiguration

__all__ = ["ApplicationConfiguration"]
