"""Builders, which make one image each in a thread of its own, and the dispatcher, which has them begin."""

from __future__ import annotations

import logging
import threading
from typing import Any, Callable, Dict, Optional

from . import installer, plugins
from .images import BaseImage, Image, PersistentImageManager, TargetImage
from .settings import ImageFactoryException, PluginManager

logger = logging.getLogger("imgfac.Builder")


class Guest:
    """The plugin that has a virtual machine."""

    def abort(self) -> None:
        """Take it down."""
        logger.debug("ABORT called in TinMan plugin")


class Builder:
    """Makes one image: `base_image` in `base_thread`, or `target_image` in `target_thread`."""

    def __init__(self) -> None:
        if not PluginManager.loaded:
            raise ImageFactoryException("no plugins are loaded")
        self.os_plugin = Guest()
        self.base_image: Optional[Image] = None
        self.target_image: Optional[Image] = None
        self.base_thread: Optional[threading.Thread] = None
        self.target_thread: Optional[threading.Thread] = None

    def begin(self, image: Image, make: Callable[[], None]) -> threading.Thread:
        """Have an image made in a thread."""
        PersistentImageManager.default_manager().add_image(image)
        thread = threading.Thread(target=self._run, args=(image, make))
        thread.start()
        return thread

    @staticmethod
    def _run(image: Image, make: Callable[[], None]) -> None:
        image.status = "BUILDING"
        try:
            make()
            image.status, image.status_detail = "COMPLETE", {"activity": "Image build complete", "error": None}
        except Exception as error:
            logger.exception("Exception encountered in the builder's thread")
            image.status = "FAILED"
            image.status_detail = {"activity": "Image build failed with exception.", "error": str(error)}


class BuildDispatcher:
    """Has builders begin."""

    def builder_for_base_image(self, template: str, parameters: Optional[Dict[str, Any]] = None) -> Builder:
        """Have an image installed after a TDL."""
        builder, image = Builder(), BaseImage()
        image.template, image.parameters = template, dict(parameters or {})
        builder.base_image = image
        builder.base_thread = builder.begin(image, lambda: installer.install(image))
        return builder

    def builder_for_target_image(
        self,
        target: str,
        image_id: Optional[str] = None,
        template: Optional[str] = None,
        parameters: Optional[Dict[str, Any]] = None,
    ) -> Builder:
        """Have an image of another form made."""
        manager = PersistentImageManager.default_manager()
        source = manager.image_with_id(image_id or "")
        if source is None or template is not None:
            raise ImageFactoryException("Must specify a BaseImage ID, and no template")
        builder, image = Builder(), TargetImage()
        image.target, image.base_image_id, image.template = target, source.identifier, source.template
        image.parameters = dict(parameters or {})
        builder.base_image, builder.target_image = source, image
        builder.target_thread = builder.begin(image, lambda: plugins.make(image, source))
        return builder
