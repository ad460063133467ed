"""What live CDs and live media have in common: they are ISO images (contract 6.9)."""

# Attribute names are koji's.
# ruff: noqa: N815

from __future__ import annotations

import io
from typing import Any

from kojid.buildroot.chrootfiles import open_directory
from kojid.system.beneath import open_beneath
from kojid.tasks.images import isomanifest, outputs
from kojid.tasks.images.chrootimages import ImageTask, Wanted
from kojid.tasks.images.volumeid import volume_id

#: The name of the list of what is in an image, on the hub.
MANIFEST = "manifest.log"


class IsoImageTask(ImageTask):
    """Run a tool that makes an ISO image. Of the options it reads volid."""

    _taskWeight = 1.5

    def check(self, wanted: Wanted) -> None:
        """Refuse a volume id that is too long."""
        self.volume_id(wanted)

    def volume_id(self, wanted: Wanted) -> str:
        """That of the image. Raises the task's `fault` when the one asked for is too long."""
        return volume_id(self.opts, wanted.nvr, self.fault)

    def take_iso(self, broot: Any, directory: str, name: str) -> None:
        """Upload the one ISO image in a directory, and the list of what is in it.

        Args:
            broot: the buildroot.
            directory: as seen in the buildroot.
            name: the image's, on the hub.

        Raises:
            The task's `fault`: there is none, there are several, or it is no such image.
        """
        found = [path for path in outputs.below(broot.rootdir(), directory).files if path.endswith(".iso")]
        found = [path for path in found if "/" not in path]
        if len(found) > 1:
            raise self.fault(f"multiple .iso files found: {' and '.join(found)}")
        if not found:
            raise self.fault("could not find iso file in chroot")
        with open_directory(broot.rootdir(), directory.strip("/")) as opened, open_beneath(opened, found[0]) as image:
            try:
                listed = isomanifest.manifest(image)
            except isomanifest.NotAnImage as error:
                raise self.fault(f"{found[0]} is no ISO 9660 image: {error}") from error
            self.upload(io.BytesIO(listed.encode("utf-8")), MANIFEST)
            image.seek(0)
            self.upload(image, name)
