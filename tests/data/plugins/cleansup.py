"""A handler that ends something elsewhere when it is canceled: SIGINT has to come first, and leave it time."""

import logging
import os
import signal
import sys
import time

from koji.tasks import BaseTaskHandler

log = logging.getLogger("koji.plugin.cleansup")


class CleansUpTask(BaseTaskHandler):
    Methods = ["cleansUp"]

    def handler(self, marker):
        def cancel(*_signal):
            log.warning("canceling what runs elsewhere")
            time.sleep(1)
            with open(marker, "w") as out:
                out.write("cleaned up\n")
            sys.exit(1)

        signal.signal(signal.SIGINT, cancel)
        log.warning("ready to be canceled in %s", os.getpid())
        while True:
            time.sleep(60)
