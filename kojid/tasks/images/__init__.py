"""Image builds (contract 6.9): one pipeline for all families, and what they have in common.

`pipeline` is the parent task: target, repository, subtasks, wrapper packages, import, tagging. `chroottask` is the base
of tasks that run an image tool in a buildroot, `chrootimages` that of those with a kickstart file; `kickstart`,
`isomanifest`, `outputs` and `converters` are what those need.
Each family is a module of its own: its parameters, its tool's command line, what it collects.
"""

from kojid.tasks.images.chrootimages import ImageTask
from kojid.tasks.images.pipeline import BuildImageTask, MultiPlatformTask

__all__ = ["BuildImageTask", "ImageTask", "MultiPlatformTask"]
