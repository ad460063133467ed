"""A plugin on the library's own base, with a constructor and uploads of its own."""

import io
import os

import koji
import koji.plugin
from koji.daemon import fast_incremental_upload, incremental_upload
from koji.tasks import BaseTaskHandler


class OwnBaseTask(BaseTaskHandler):
    """Uploads in every way there is, and waits for a subtask."""

    Methods = ["ownBase"]
    _taskWeight = 0.5

    def __init__(self, id, method, params, session, options, workdir=None):
        BaseTaskHandler.__init__(self, id, method, params, session, options, workdir)
        self.prepared = method

    def handler(self, text, opts=None):
        self.logger.info("own base: %s", self.prepared)
        log = os.path.join(self.workdir, "growing.log")
        with open(log, "wb") as out:
            out.write(text.encode() * 3)
        with open(log, "rb") as opened:
            opened.seek(len(text))
            incremental_upload(
                self.session, "part.log", io.BytesIO(text.encode()), self.getUploadDir(), logger=self.logger
            )
            incremental_upload(self.session, "part.log", opened, self.getUploadDir(), logger=self.logger)
        data = io.BytesIO(b'{"json": true}')
        data.seek(0)
        fast_incremental_upload(self.session, "made.json", data, self.getUploadDir(), 5, self.logger)
        self.uploadFile(log, remoteName="whole.log")
        nap = self.session.host.subtask(method="sleep", arglist=[0], label="nap", parent=self.id)
        other = self.subtask("sleep", [0], label="other")
        self.wait([nap, other], all=True, failany=True, timeout=60)
        if self.taskinfo["id"] != self.id or self.taskinfo["request"][0] != text:
            raise koji.GenericError("this is not my task")
        if self.options.topurl is None or not os.path.isdir(self.options.topdir):
            raise koji.GenericError("these are not the daemon's options")
        return {"uploads": self.getUploadDir(), "children": [nap, other]}


class OverridingTask(BaseTaskHandler):
    """Takes a built-in method's place, and that of another plugin's method."""

    Methods = ["someMethod", "overridden"]

    def handler(self, *args):
        return "of ownbase"
