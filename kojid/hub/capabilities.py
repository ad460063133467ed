"""What the hub at the other end can do, by its release: the one place that knows (contract 14)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Tuple


@dataclass(frozen=True)
class Capabilities:
    """The differences between hubs that a builder has to know of.

    Args:
        version: the hub's release, e.g. (1, 33, 2).
    """

    version: Tuple[int, ...]

    @property
    def assigns_tasks(self) -> bool:
        """The hub chooses the host of a task, and has `host.getTasks` (contract 4.3); else builders do (4.4)."""
        return self.version >= (1, 34)

    @property
    def takes_refusals(self) -> bool:
        """There is `host.refuseTask`: the hub keeps a refused task from this host (contract 4.5)."""
        return self.version >= (1, 34)

    @property
    def takes_host_data(self) -> bool:
        """`host.updateHost` takes `data`, the host's methods and maxjobs (contract 4.3)."""
        return self.version >= (1, 34, 1)

    @property
    def has_set_host_data(self) -> bool:
        """There is `host.setHostData`, which the first release with a scheduler has in place of `data`."""
        return self.version >= (1, 34)

    @property
    def has_build_rpm_policy(self) -> bool:
        """The hub knows the policy `build_rpm` (contract 6.1, step 5)."""
        return self.version >= (1, 31)

    @property
    def knows_drafts(self) -> bool:
        """There are draft builds, and calls take `draft`."""
        return self.version >= (1, 34)

    @property
    def notes_cloned_repodata(self) -> bool:
        """`host.repoDone` takes `repo_json_updates` (contract 9.2, step 8)."""
        return self.version >= (1, 34)

    @property
    def makes_repos_on_request(self) -> bool:
        """There is `repo.request`, and with it `min_event`, tag change events and `host.repoInit(opts=)` (9.1, 9.2)."""
        return self.version >= (1, 35)

    def __str__(self) -> str:
        """The release in words, e.g. "1.33.2"."""
        return ".".join(map(str, self.version))


def of(session: Any) -> Capabilities:
    """What the hub of a session can do; on hubs before 1.35 the first use asks for the version (contract 3.3)."""
    return Capabilities(tuple(session.hub_version))
