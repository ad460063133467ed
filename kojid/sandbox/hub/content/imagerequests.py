"""What users ask to be built as images: each call makes a task (contract 6.9)."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Union

import koji

from kojid.sandbox.hub import tasks
from kojid.sandbox.hub.content.submissions import task_options
from kojid.sandbox.hub.kernel import Context, export

#: The kinds of `buildImage`; each has a permission and a channel of its name, and its task too.
KINDS = ("livecd", "appliance", "livemedia")
_OF_FACTORY = "image"  # permission and channel of what ImageFactory makes


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
    _require_texts(name, ksfile, version)
    ctx.require(img_type)
    options = task_options(ctx, priority, img_type)
    options["arch"] = "noarch" if img_type == "livemedia" else arch
    return tasks.make_task(ctx, img_type, [name, version, arch, target, ksfile, opts], **options)


@export("buildImageOz")
def build_image_oz(
    ctx: Context,
    name: str,
    version: str,
    arches: List[str],
    target: str,
    inst_tree: str,
    opts: Optional[Mapping[str, Any]] = None,
    priority: Optional[int] = None,
) -> int:
    """Ask for images that ImageFactory installs; needs the permission `image`.

    Args:
        ctx: the call.
        name, version: of the image.
        arches: of the image.
        target: a build target's name.
        inst_tree: URL of what is installed from.
        opts: the task's options.
        priority: as for `build`.

    Returns:
        The task's id.

    Raises:
        koji.ParameterError: name, version or inst_tree is no text.
        koji.ActionNotAllowed: the caller lacks the permission.
    """
    _require_texts(name, inst_tree, version)
    ctx.require(_OF_FACTORY)
    options = task_options(ctx, priority, _OF_FACTORY)
    return tasks.make_task(ctx, "image", [name, version, arches, target, inst_tree, opts], **options)


@export("buildImageIndirection")
def build_image_indirection(ctx: Context, opts: Mapping[str, Any], priority: Optional[int] = None) -> int:
    """Ask for an image made of two others; needs the permission `image`.

    Args:
        ctx: the call.
        opts: the task's options.
        priority: as for `build`.

    Returns:
        The task's id.

    Raises:
        koji.ActionNotAllowed: the caller lacks the permission, or no scratch build names its template by URL.
    """
    ctx.require(_OF_FACTORY)
    if "scratch" not in opts and "indirection_template_url" not in opts:
        raise koji.ActionNotAllowed("Non-scratch builds must provide url for the indirection template")
    options = task_options(ctx, priority, _OF_FACTORY)
    if "arch" in opts:
        options["arch"] = opts["arch"]
    return tasks.make_task(ctx, "indirectionimage", [opts], **options)


def _require_texts(*values: Any) -> None:
    for value in values:
        if not isinstance(value, str):
            raise koji.ParameterError(f"Invalid type for value '{value}': {type(value)}, expected type {str}")
