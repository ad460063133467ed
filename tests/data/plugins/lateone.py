"""A plugin that is loaded after another one and takes the place of its method."""

from koji.tasks import BaseTaskHandler


class LateTask(BaseTaskHandler):
    Methods = ["overridden"]

    def handler(self):
        return "of lateone"
