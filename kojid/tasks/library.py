"""The tasks that the koji library brings: for tests and for administration (contract 6.12), on our base.

Their work is the library's; waiting, working directories and uploads are ours.
"""

from __future__ import annotations

import koji.tasks

from kojid.tasks.base import BaseTaskHandler


class FakeTask(BaseTaskHandler, koji.tasks.FakeTask):
    """`someMethod`: returns 42."""


class SleepTask(BaseTaskHandler, koji.tasks.SleepTask):
    """`sleep`: sleeps so many seconds."""


class ForkTask(BaseTaskHandler, koji.tasks.ForkTask):
    """`fork`: leaves sleeping processes behind."""


class WaitTestTask(BaseTaskHandler, koji.tasks.WaitTestTask):
    """`waittest`: waits for subtasks, one of which fails and may."""


class SubtaskTask(BaseTaskHandler, koji.tasks.SubtaskTask):
    """`subtask`: a chain of subtasks."""


class DefaultTask(BaseTaskHandler, koji.tasks.DefaultTask):
    """`default`: always fails."""


class ShutdownTask(BaseTaskHandler, koji.tasks.ShutdownTask):
    """`shutdown`: ends the daemon."""


class RestartTask(BaseTaskHandler, koji.tasks.RestartTask):
    """`restart`: has the daemon restart once its tasks are done."""


class RestartVerifyTask(BaseTaskHandler, koji.tasks.RestartVerifyTask):
    """`restartVerify`: checks that the daemon has restarted."""


class RestartHostsTask(BaseTaskHandler, koji.tasks.RestartHostsTask):
    """`restartHosts`: restarts the daemons of many hosts."""
