"""Images, and the directory in which the library keeps what it knows of them."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, ClassVar, Dict, Optional

from .settings import ApplicationConfiguration, ImageFactoryException


class Image:
    """An image: its file `data`, the `template` it is made after, and how far it is."""

    def __init__(self) -> None:
        self.identifier = str(uuid.uuid4())
        self.data = ""
        self.template: Optional[str] = None
        self.icicle: Optional[str] = None
        self.parameters: Dict[str, Any] = {}
        self.status = "NEW"
        self.status_detail: Dict[str, Optional[str]] = {"activity": "Initializing image", "error": None}
        self.target: Optional[str] = None
        self.base_image_id: Optional[str] = None


class BaseImage(Image):
    """One that was installed."""


class TargetImage(Image):
    """One of another form."""


class PersistentImageManager:
    """The images that the library knows, by identifier."""

    _default: ClassVar[Optional[PersistentImageManager]] = None

    def __init__(self, storage_path: str) -> None:
        self._storage = Path(storage_path)
        self._storage.mkdir(parents=True, exist_ok=True)
        self._images: Dict[str, Image] = {}

    @classmethod
    def default_manager(cls) -> PersistentImageManager:
        """The one that there is."""
        if cls._default is None:
            cls._default = cls(**ApplicationConfiguration().configuration["image_manager_args"])
        return cls._default

    def add_image(self, image: Image) -> None:
        """Take an image in: it gets an empty file."""
        image.data = str(self._storage / f"{image.identifier}.body")
        Path(image.data).touch()
        self._images[image.identifier] = image

    def save_image(self, image: Image) -> None:
        """Keep what was changed."""
        if image.identifier not in self._images:
            raise ImageFactoryException(f'Image {image.identifier} not managed, use "add_image()" first.')

    def image_with_id(self, image_id: str) -> Optional[Image]:
        """An image, None if there is none."""
        return self._images.get(image_id)
