"""The program that makes images with ImageFactory, in a process of its own.

    python -m kojid.tasks.images.factorydriver REQUEST ANSWER

The library uses threads, signals and state of its own, starts virtual machines, and may crash: none of that is to
happen in the task. Both arguments name JSON files, which `factory` writes and reads; the log goes to the standard
error. Ended by SIGTERM, it takes the virtual machine that it has started down.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

logger = logging.getLogger("kojid.imagefactory")

_INTERRUPTED = 128 + signal.SIGTERM


class Failed(Exception):
    """An image was not made.

    Args:
        status: what the library calls it.
        detail: what it says of it.
    """

    def __init__(self, status: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def imported(name: str) -> Any:
    """A class of the library, whose modules are called like it."""
    return getattr(importlib.import_module(f"imgfac.{name}"), name)


class Factory:
    """The library, set up for one task.

    Args:
        config: the library's configuration.
        number: that tells this task from others of this host, for the port on which a guest reports.

    Attributes:
        builder: the library's builder that is at work.
    """

    def __init__(self, config: Dict[str, Any], number: int) -> None:
        self.builder: Optional[Any] = None
        imported("PluginManager")(config["plugins"]).load()
        imported("ApplicationConfiguration")(configuration=config)
        reservations = imported("ReservationManager")()
        ports = reservations.MAX_PORT - reservations.MIN_PORT
        # the library counts up from the same port in each process, and two guests can't have the same
        reservations._listen_port = reservations.MIN_PORT + number % ports
        random.seed()  # guests get random network addresses
        self._dispatcher = imported("BuildDispatcher")()

    def base(self, template: str, parameters: Dict[str, Any]) -> Any:
        """Install a base image; raises Failed."""
        self.builder = self._dispatcher.builder_for_base_image(template, parameters=parameters)
        self.builder.base_thread.join()
        return self._finished(self.builder.base_image)

    def target(self, name: str, base: Any, parameters: Dict[str, Any]) -> Any:
        """Make an image of another form from one that there is; raises Failed."""
        self.builder = self._dispatcher.builder_for_target_image(
            name, image_id=base.identifier, template=None, parameters=parameters
        )
        self.builder.target_thread.join()
        return self._finished(self.builder.target_image)

    def stored(self, data: str, template: str) -> Any:
        """Have the library know an image that it has made earlier; it only reads such images."""
        manager = imported("PersistentImageManager").default_manager()
        image = imported("BaseImage")()
        manager.add_image(image)
        image.data, image.template, image.status = data, template, "COMPLETE"
        manager.save_image(image)
        return image

    def abort(self) -> None:
        """Take down the virtual machine of the image that is being made, if there is one."""
        plugin = getattr(self.builder, "os_plugin", None)
        if plugin:
            plugin.abort()

    def _finished(self, image: Any) -> Any:
        if image.status != "COMPLETE":
            self.abort()
            raise Failed(image.status, str((image.status_detail or {}).get("error")))
        return image


def work(factory: Factory, request: Dict[str, Any]) -> Dict[str, Any]:
    """Make what is asked for.

    Args:
        factory: the library.
        request: `base` (template, parameters) is installed, or `stored` has images by name (data, template), of which
            `base` is the one to work on; `targets` has by name the steps (target, parameters), each of which goes on
            from the image before. A parameter in `images` is replaced by the identifier of a stored image.

    Returns:
        base: data, icicle and libvirt_xml of the base image; targets: the files by name.
    """
    stored = {name: factory.stored(**known) for name, known in request.get("stored", {}).items()}
    base = stored["base"] if stored else factory.base(**request["base"])
    images = {parameter: str(stored[name].identifier) for parameter, name in request.get("images", {}).items()}
    made: Dict[str, str] = {}
    for name, steps in request["targets"].items():
        image = base
        for target, parameters in steps:
            image = factory.target(target, image, {**parameters, **images})
        made[name] = str(image.data)
    told = {"data": base.data, "icicle": base.icicle, "libvirt_xml": (base.parameters or {}).get("libvirt_xml")}
    return {"base": told, "targets": made}


def main(arguments: Sequence[str]) -> int:
    """Read the request and write the answer.

    That is what `work` returns; `failed` and `detail` of an image that was not made; or `unusable`, why the library
    can't be used on this host.

    Returns:
        the exit status.
    """
    source, target = (Path(name) for name in arguments)
    logging.basicConfig(
        stream=sys.stderr, level=logging.DEBUG, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    request: Dict[str, Any] = json.loads(source.read_text())
    factories: List[Factory] = []

    def interrupted(*_signal: Any) -> None:
        for factory in factories:
            factory.abort()
        os._exit(_INTERRUPTED)  # the library's threads would keep the process alive

    signal.signal(signal.SIGTERM, interrupted)
    try:
        factories.append(Factory(request["config"], request["number"]))
    except Exception as error:
        logger.debug("the library can't be set up", exc_info=True)
        answer: Dict[str, Any] = {"unusable": str(error)}
    else:
        try:
            answer = work(factories[0], request)
        except Failed as failure:
            answer = {"failed": failure.status, "detail": str(failure)}
    part = target.with_suffix(".part")
    part.write_text(json.dumps(answer))
    part.rename(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
