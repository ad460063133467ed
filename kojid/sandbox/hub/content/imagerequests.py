"""What users ask to be built as images: each call makes a task (contract 6.9)."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Union

import koji

from kojid.sandbox.hub import tasks
from kojid.sandbox.hub.content.submissions import task_options
from kojid.sandbox.hub.kernel import Context, export

#: The kinds of `buildImage`; each has a permission and a channel of its name, and its task too.
KINDS = ("livecd", "appliance", "livemedia")


@export("buildImage")
def build_image(
    ctx: Context,
    name: str,
    version: str,
    arch: Union[str, List[str]],
    target: str,
    ksfile: str,
    img_type: str,
    opts: Optional[Mapping[str, Any]] = None,
    priority: Optional[int] = None,
) -> int:
    """Ask for an image that a tool makes in a buildroot; needs the permission of the kind's name.

    Args:
        ctx: the call.
        name, version: of the image.
        arch: of the image; a list of them for livemedia.
        target: a build target's name.
        ksfile: the kickstart file, relative to the work directory, or in the checkout of the option ksurl.
        img_type: one of `KINDS`.
        opts: the task's options.
        priority: as for `build`.

    Returns:
        The task's id.

    Raises:
        koji.GenericError: there is no such kind.
        koji.ParameterError: name, version or ksfile is no text.
        koji.ActionNotAllowed: the caller lacks the permission.
    """
    if img_type not in KINDS:
        raise koji.GenericError(f"Unrecognized image type: {img_type}")
    for value in (name, ksfile, version):
        if not isinstance(value, str):
            raise koji.ParameterError(f"Invalid type for value '{value}': {type(value)}, expected type {str}")
    ctx.require(img_type)
    options = task_options(ctx, priority, img_type)
    options["arch"] = "noarch" if img_type == "livemedia" else arch
    return tasks.make_task(ctx, img_type, [name, version, arch, target, ksfile, opts], **options)
