"""The command of a runroot task: what is run in the chroot, and what is said of its end (contract 6.13)."""

from __future__ import annotations

import os
import shlex
from typing import List, Sequence, Union

import koji

from kojid.system.process import ExitStatus

Command = Union[str, Sequence[str]]

LOG_DIRECTORY = "builddir"
LOG = "runroot.log"

# The status is that of the command, not of tee: it comes out by a descriptor of its own. That is what bash's PIPESTATUS
# gives, in the words of any shell: /bin/sh is not bash in every chroot. The command does not see the extra descriptors.
_SCRIPT = """\
exec 3>&1
status=$({{ {{ (
{command}
) </dev/null 2>&1 3>&- 4>&-; echo $? >&4; }} | /usr/bin/tee /{log} >&3 4>&-; }} 4>&1)
exit "${{status:-1}}"
"""


def check(command: object) -> Command:
    """A command as the task got it, if it is one.

    Raises:
        koji.ParameterError: it is neither a text nor a list of texts.
    """
    words = command if isinstance(command, list) else [command]
    if not words or not all(isinstance(word, str) and "\0" not in word for word in words):
        raise koji.ParameterError(f"a command is a text or a list of texts, not {command!r}")
    return command  # type: ignore[return-value]


def argv(command: Command) -> List[str]:
    """What mock is to run: the command's output goes to mock's and to the log, its exit status is mock's.

    Args:
        command: a text for the shell, or a list that reaches the program word by word.
    """
    text = command if isinstance(command, str) else shlex.join(command)
    return ["/bin/sh", "-c", _SCRIPT.format(command=text, log=f"{LOG_DIRECTORY}/{LOG}")]


def name(command: Command) -> str:
    """The command's name for messages: its first word that sets no variable."""
    words = command.split() if isinstance(command, str) else command
    first = next((word for word in words if "=" not in word), None)
    return "(none)" if first is None else os.path.basename(first)


def success(command: Command) -> str:
    """The task's result."""
    return f"{name(command)} completed successfully"


def failure(command: Command, status: ExitStatus) -> str:
    """The sentence of a failed command."""
    how = f"was killed by signal {status.signal}" if status.signal else f"exited with status {status.code}"
    return f"{name(command)} {how}"
