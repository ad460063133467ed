"""Volume ids of ISO images: 32 characters at most, so long words of a name are put short (contract 6.9)."""

from __future__ import annotations

from typing import Any, Mapping, Sequence, Type

import koji

_LONGEST_VOLUME_ID = 32
# What release engineers' tools put for long words; other tools look for images under the same names.
_SHORT = {
    "Astronomy_KDE": "AstK",
    "Atomic": "AH",
    "Beta": "B",
    "Cinnamon": "Cinn",
    "Cloud": "C",
    "Design_suite": "Dsgn",
    "Electronic_Lab": "Elec",
    "Everything": "E",
    "Games": "Game",
    "Images": "img",
    "Jam_KDE": "Jam",
    "MATE_Compiz": "MATE",
    "Python-Classroom": "Clss",
    "Python_Classroom": "Clss",
    "Rawhide": "rawh",
    "Robotics": "Robo",
    "Scientific_KDE": "SciK",
    "Security": "Sec",
    "Server": "S",
    "Workstation": "WS",
    "WorkstationOstree": "WS",
}


def volume_id(opts: Mapping[str, Any], nvr: Sequence[str], fault: Type[koji.GenericError]) -> str:
    """The volume id of an ISO image: the one asked for, else one made of name, version and release.

    Args:
        opts: the task's options; read here: volid.
        nvr: name, version and release.
        fault: type of the fault when the one asked for is too long.
    """
    wanted = str(opts.get("volid") or shorten("-".join(nvr)))
    if len(wanted) > _LONGEST_VOLUME_ID:
        raise fault(f"volume ID is longer than {_LONGEST_VOLUME_ID} characters")
    return wanted


def shorten(text: str) -> str:
    """A text of which long words are put short, longest first, and that is cut to what a volume id may have."""
    for word in sorted(_SHORT, key=len, reverse=True):
        text = text.replace(word, _SHORT[word])
    return text[:_LONGEST_VOLUME_ID]
