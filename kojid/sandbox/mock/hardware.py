"""hw_info.log: what machine a build ran on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import List

from kojid.sandbox.mock.logs import Logs
from kojid.sandbox.mock.process import Runner


def write(logs: Logs, runner: Runner, root: Path) -> None:
    """Writes processor, memory and storage; a tool that is missing leaves its part empty."""
    parts = (("CPU info:", ["lscpu"]), ("Memory:", ["free", "--human"]), ("Storage:", ["df", "-H", "-T", str(root)]))
    with logs.create("hw_info.log", append=False) as stream:
        for heading, command in parts:
            lines: List[str] = []
            if shutil.which(command[0]):
                runner.run(command, lines.append)
            stream.write("\n".join([heading, *lines, "", ""]))
