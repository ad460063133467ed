"""The library's own way to upload a file, made safe where packages can plant links (contract 11, item 18)."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, Optional

import koji

from kojid.hub.upload import Uploader
from kojid.system.files import open_for_upload


class GuardedUploads(koji.ClientSession):
    """What a hub session does about links; its option `untrusted` has the directories, `mockdir` and `workdir`."""

    opts: Dict[str, Any]

    def uploadWrapper(  # noqa: N802 - the library's name
        self,
        localfile: str,
        path: str,
        name: Optional[str] = None,
        callback: Optional[Callable[..., None]] = None,
        blocksize: Optional[int] = None,
        overwrite: bool = True,
        volume: Optional[str] = None,
    ) -> None:
        """Upload a file as the library does; what lies where packages write is opened with care (contract 11, item 18).

        One who wants to be called back gets the library's own, as does a session that has no `untrusted`.

        Raises also UnsafeFile: it is no regular file, or a link leads to it.
        """
        untrusted = self.opts.get("untrusted")
        if callback is not None or not untrusted:
            super().uploadWrapper(localfile, path, name, callback, blocksize, overwrite, volume)
            return
        with open_for_upload(localfile, *untrusted) as opened:
            Uploader(self, path, volume=volume).file(opened, name or os.path.basename(localfile))
