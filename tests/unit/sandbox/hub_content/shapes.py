"""Comparing answers of a hub with recorded ones: the same keys, values of the same types."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Sequence, Set, Tuple

#: What a hub's database lets be empty although no recording happened to show it so.
NULLABLE = {
    "arches",
    "buildroot_id",
    "comment",
    "completion_time",
    "completion_ts",
    "description",
    "end_event",
    "end_ts",
    "extra",
    "label",
    "parent",
    "repo_id",
    "source",
    "start_time",
    "start_ts",
    "task_id",
    "task_state",
    "tries",
    "update_ts",
    "waiting",
    "awaited",
}
#: What is empty in all recordings, but has a type in a hub's database.
TYPED = {"end_event": int, "end_ts": float, "task_id": int, "task_state": int, "extra": dict, "epoch": int}
#: Content that callers gave: its inside is theirs.
FREE = {"extra", "request"}
Path = Tuple[str, ...]


def types(values: Sequence[Any]) -> Dict[Path, Set[type]]:
    """The types that occur at each place of some answers; `[]` in a path stands for any element of a list."""
    found: Dict[Path, Set[type]] = {}
    for value in values:
        for path, kind in _walk(value, ()):
            found.setdefault(path, set()).add(kind)
    return found


def _walk(value: Any, path: Path) -> Iterator[Tuple[Path, type]]:
    yield path, type(value)
    if path and path[-1] in FREE:
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, (*path, "[]"))


def differences(recorded: Any, answer: Any, known: Dict[Path, Set[type]], path: Path = ()) -> List[str]:
    """How an answer differs from the recorded one in keys and types.

    Args:
        recorded: the answer of a real hub.
        answer: the answer to an equivalent call.
        known: the types at each place over all recordings of the method.
        path: the place that is looked at.
    """
    place = "/".join(path) or "answer"
    if type(recorded) is not type(answer):
        return [] if _may_be(type(answer), path, known) else [f"{place}: {_name(recorded)} became {_name(answer)}"]
    if path and path[-1] in FREE:
        return []
    if isinstance(recorded, dict):
        found = [f"{place}: no {key}" for key in sorted(set(recorded) - set(answer))]
        found += [f"{place}: also {key}" for key in sorted(set(answer) - set(recorded))]
        for key in sorted(set(recorded) & set(answer)):
            found += differences(recorded[key], answer[key], known, (*path, key))
        return found
    if isinstance(recorded, list):
        return _elements(recorded, answer, known, path)
    return []


def _elements(recorded: List[Any], answer: List[Any], known: Dict[Path, Set[type]], path: Path) -> List[str]:
    """Each element has to be like one of the recorded ones."""
    if bool(recorded) != bool(answer):
        return [f"{'/'.join(path) or 'answer'}: {len(recorded)} elements became {len(answer)}"]
    found: List[str] = []
    for element in answer:
        against = [differences(other, element, known, (*path, "[]")) for other in recorded]
        found += sorted(against, key=len)[0]
    return found


def _may_be(kind: type, path: Path, known: Dict[Path, Set[type]]) -> bool:
    if kind in known.get(path, set()):
        return True
    key = path[-1] if path else ""
    return (kind is type(None) and key in NULLABLE) or TYPED.get(key) is kind


def _name(value: Any) -> str:
    return type(value).__name__
