"""The door to the builders."""

from .builders import BuildDispatcher

__all__ = ["BuildDispatcher"]
