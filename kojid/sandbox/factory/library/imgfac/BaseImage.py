"""Images that were installed."""

from .images import BaseImage

__all__ = ["BaseImage"]
