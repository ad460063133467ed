"""`python -m kojid.sandbox.hub --dir DIR`: the hub in the foreground, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import dataclasses
import logging
import signal
import sys
from pathlib import Path
from typing import Optional, Sequence

from kojid.sandbox.hub import settings as hub_settings
from kojid.sandbox.hub.server import Hub, write_atomic

SETTINGS_FILE = "settings.json"


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run a hub; the settings come from --settings, else from DIR/hub/settings.json, else they are the defaults."""
    parser = argparse.ArgumentParser(prog="python -m kojid.sandbox.hub", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="the sandbox's directory")
    parser.add_argument("--settings", type=Path, help="JSON of settings, kept in DIR/hub/settings.json")
    parser.add_argument("--verbose", action="store_true", help="also log to the terminal")
    options = parser.parse_args(argv)
    directory = options.dir.resolve()
    try:
        settings = _settings(directory, options.settings)
    except (OSError, ValueError, TypeError) as error:
        print(f"Error: settings: {error}", file=sys.stderr)
        return 1
    _log_to(settings.hub_dir / "hub.log", verbose=options.verbose)
    stopped = [signal.SIGTERM, signal.SIGINT]
    signal.pthread_sigmask(signal.SIG_BLOCK, stopped)
    try:
        hub = Hub(settings)
        hub.start()
    except OSError as error:
        print(f"Error: the hub can't start: {error}", file=sys.stderr)
        return 1
    signal.sigwait(stopped)
    hub.stop()
    return 0


def _settings(directory: Path, given: Optional[Path]) -> hub_settings.Settings:
    kept = directory / "hub" / SETTINGS_FILE
    source = given or (kept if kept.exists() else None)
    settings = hub_settings.Settings(dir=directory)
    if source is not None:
        settings = hub_settings.parse(source.read_text(encoding="utf-8"))
        settings = dataclasses.replace(settings, dir=directory)
    settings.hub_dir.mkdir(parents=True, exist_ok=True)
    write_atomic(kept, settings.dump(), mode=0o600)
    return settings


def _log_to(path: Path, *, verbose: bool) -> None:
    handlers: list[logging.Handler] = [logging.FileHandler(path, encoding="utf-8")]
    if verbose:
        handlers.append(logging.StreamHandler())
    logging.basicConfig(level=logging.INFO, handlers=handlers, format="%(asctime)s %(levelname)s %(message)s")


if __name__ == "__main__":
    sys.exit(main())
