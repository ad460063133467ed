"""A plugin for the tests of metrics: a task that does one thing that is counted."""

import subprocess
from pathlib import Path

import koji

from kojid.errors import HostFault
from kojid.system import phases
from kojid.tasks.base import BaseTaskHandler


class CountedTask(BaseTaskHandler):
    """counted(what): package, host, internal, upload, or leave (a process behind)."""

    Methods = ["counted"]
    _taskWeight = 0.1

    def handler(self, what):
        getattr(self, what)()

    def package(self):
        raise koji.BuildError("the package's fault")

    def host(self):
        raise HostFault("the host's fault")

    def internal(self):
        raise KeyError("the handler's fault")

    def upload(self):
        Path(self.workdir).mkdir(parents=True, exist_ok=True)
        path = Path(self.workdir, "file.txt")
        path.write_bytes(b"x" * 12345)
        with phases.during("rebuild"):
            self.uploadFile(str(path))

    def leave(self):
        subprocess.Popen(["sleep", "1000"], start_new_session=True)
