"""A callback for every kind there is; it tells the log what it got."""

import json
import logging

from koji.plugin import callback, callbacks, ignore_error


@callback(*callbacks.keys())
@ignore_error
def echo(cbtype, *args, **kws):
    shown = {name: value for name, value in kws.items() if name not in ("session", "taskinfo")}
    shown["method"] = kws["taskinfo"]["method"]
    shown["has_request"] = "request" in kws["taskinfo"]
    shown["host"] = kws["session"].host.getHost()["name"]
    logging.getLogger("koji.plugin.echoes").warning(
        "echo %s %s", cbtype, json.dumps(shown, default=str, sort_keys=True)
    )
