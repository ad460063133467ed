"""Whether this host is drained: an administrator wants it to take no more tasks, until further notice.

That is a file in `state_dir`, so that it outlives every daemon and can be changed while none runs.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional

from kojid.system.files import write_atomic

_NAME = "drained"


@dataclass(frozen=True)
class Drain:
    """Since when and why.

    Args:
        reason: in the administrator's words; may be empty.
        since: seconds since the epoch.
    """

    reason: str
    since: float

    def __str__(self) -> str:
        return f"Drained: {self.reason}" if self.reason else "Drained"


def read(state_dir: str) -> Optional[Drain]:
    """The drain that is in force; None when there is none. One whose file can't be read is in force all the same."""
    path = Path(state_dir, _NAME)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Drain(" ".join(str(found["reason"]).split()), float(found["since"]))
    except FileNotFoundError:
        return None
    except OSError as error:
        return Drain(f"{path} can't be read: {error.strerror}", 0.0)
    except (ValueError, TypeError, KeyError):
        return Drain(f"{path} is damaged", 0.0)


def begin(state_dir: str, reason: str) -> Drain:
    """Drain the host; of one that is drained only the reason changes. Raises OSError."""
    before = read(state_dir)
    made = Drain(" ".join(reason.split()), before.since if before and before.since else time.time())
    Path(state_dir).mkdir(mode=0o755, parents=True, exist_ok=True)
    write_atomic(Path(state_dir, _NAME), json.dumps(asdict(made)) + "\n")
    return made


def end(state_dir: str) -> Optional[Drain]:
    """Let the host take tasks again; the drain that was in force, None when there was none. Raises OSError."""
    before = read(state_dir)
    Path(state_dir, _NAME).unlink(missing_ok=True)
    return before
