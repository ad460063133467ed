"""A plugin that loads the daemon's script as a module, as plugins did before the library had what they need."""

import importlib.machinery
import importlib.util
import io
import sys

import koji.tasks

SCRIPT = sys.modules["__main__"].__file__


def load_script():
    loader = importlib.machinery.SourceFileLoader("kojid", SCRIPT)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("kojid", loader))
    sys.modules["kojid"] = module
    loader.exec_module(module)
    return module


kojid = load_script()


class OldStyleTask(koji.tasks.BaseTaskHandler):
    Methods = ["oldStyle"]

    def handler(self, text):
        kojid.incremental_upload(
            self.session, "old.log", io.BytesIO(text.encode()), self.getUploadDir(), 5, self.logger
        )
        return kojid.BuildRoot.__name__
