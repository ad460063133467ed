"""Whether space or inodes get short: a quarter more than what tasks are refused for, so that they need not be."""

from __future__ import annotations

from kojid.config.options import Options
from kojid.daemon.admission import Known


class Shortage:
    """Judges the last answers of the file systems.

    Args:
        options: the daemon's settings.
        probes: what the file systems have left.
    """

    def __init__(self, options: Options, probes: Known) -> None:
        self._options = options
        self._probes = probes

    def in_mockdir(self) -> bool:
        """Whether buildroots of ended tasks should go before their time."""
        given = self._options.cleanup_minspace
        return self._is_short("mockdir", int(self._options.minspace * 5 // 4 if given is None else given))

    def in_workdir(self) -> bool:
        """Whether working directories of dead tasks should."""
        return self._is_short("workdir", int(self._options.minspace_workdir * 5 // 4))

    def _is_short(self, place: str, wanted: int) -> bool:
        room = self._probes.answer(place).room
        if room is None:
            return False
        return room.free_mb < wanted or 0 <= room.free_inodes < int(self._options.mininodes * 5 // 4)
