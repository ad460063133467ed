"""The images that the library knows."""

from .images import PersistentImageManager

__all__ = ["PersistentImageManager"]
