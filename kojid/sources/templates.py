"""Spec files made from Cheetah templates, for wrapper packages (contract 6.8).

Cheetah templates hold Python. They come from version control, so they are rendered by a process that is nobody
(`rendering`), never by this one (contract 11, item 21; design, decision 9).
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from typing import IO, Any, BinaryIO, Mapping, cast

import koji

from kojid.errors import HostFault
from kojid.sources import rendering
from kojid.system.files import tail_lines
from kojid.system.process import CommandTimeout, ExitStatus, capture, clean_environment, credentials_of

USER = "nobody"  # not mockuser: whoever may start mock may become root
SECONDS = 60
_QUOTED_LINES = 10


def is_available() -> bool:
    """Whether Cheetah is installed; it is an extra."""
    return importlib.util.find_spec("Cheetah") is not None


def render(template: str, values: Mapping[str, Any], directory: int, *, seconds: int = SECONDS) -> str:
    """Render a template.

    Args:
        template: its text.
        values: what its placeholders stand for; plain data.
        directory: descriptor of the directory that it may refer to files in.
        seconds: it may take, of processor time and by the clock.

    Raises:
        koji.BuildError: the template is wrong, or takes too long; the end of what it said is quoted.
        HostFault: the process that renders can't be set up.
    """
    user = credentials_of(USER)
    argv = [sys.executable, "-I", "-B", str(Path(rendering.__file__).resolve())]
    argv += [str(user.uid), str(user.gid), str(seconds)]
    with tempfile.TemporaryFile() as request, tempfile.TemporaryFile() as messages:
        request.write(json.dumps({"template": template, "values": values}).encode())
        request.seek(0)
        try:
            status, output = capture(
                argv,
                timeout=seconds,
                cwd=f"/proc/self/fd/{directory}",
                env=clean_environment(user),
                stdin=request,
                stderr=messages,
            )
        except CommandTimeout:
            raise koji.BuildError(f"the spec file template was not rendered within {seconds} seconds") from None
        return _text(status, output, messages)


def _text(status: ExitStatus, output: bytes, messages: IO[bytes]) -> str:
    """What has been rendered, or the fault."""
    said = "\n".join(tail_lines(cast(BinaryIO, messages), _QUOTED_LINES))
    if not output.startswith(rendering.READY):
        raise HostFault(f"spec file templates can't be rendered here, the process {status.describe()}: {said}")
    if not status.ok:
        raise koji.BuildError(f"the spec file template can't be rendered, the process {status.describe()}:\n{said}")
    try:
        return output[len(rendering.READY) :].decode("utf-8")
    except UnicodeDecodeError as error:
        raise koji.BuildError(f"what the spec file template gives is not UTF-8: {error}") from None
