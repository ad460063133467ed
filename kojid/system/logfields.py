"""What the records of this process are about: fields for the journal, which then can be asked for them."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Optional

_fields: Dict[str, str] = {}


def put(**fields: Any) -> None:
    """Set fields of all further records of this process; None and empty ones are left as they are."""
    _fields.update({name: str(value) for name, value in fields.items() if value not in (None, "")})


def current() -> Dict[str, str]:
    """The fields as they are now: TASK_ID, METHOD, NVR, BUILDROOT, as far as they are known."""
    return dict(_fields)


def nvr_of_request(request: Iterable[Any]) -> Optional[str]:
    """The name-version-release of the source package that a task's request names first, if it does."""
    for value in request:
        if isinstance(value, str) and value.endswith(".src.rpm"):
            return value.rpartition("/")[2][: -len(".src.rpm")]
    return None
