"""`python -m bench [NAME...]`: measure, print the table, write results.json and picture.svg."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import List, Optional, Sequence

from bench import figures, picture, report
from bench.harness import Bench, Measurement, Result, all_figures, chosen, take
from tests.support.sandboxhub import without_ca_variables

OUT = Path("bench-results")


def main(words: Optional[Sequence[str]] = None) -> int:
    """Run what is asked for; the exit status is 1 when a measurement broke, a missed target is none."""
    arguments = _parser().parse_args(words)
    figures.load()
    if arguments.list:
        for figure in all_figures():
            print(f"{figure.name:<28} {figure.what}")
        return 0
    try:
        wanted = chosen(arguments.names)
    except KeyError as name:
        print(f"there is no figure and no module {name}; --list shows them", file=sys.stderr)
        return 2
    arguments.out.mkdir(parents=True, exist_ok=True)
    size = "small" if arguments.small else "quick" if arguments.quick else "full"
    made = report.Report(arguments.out / report.RESULTS, keep=bool(arguments.names), size=size)
    begun = time.monotonic()
    with without_ca_variables():
        broken = [one for one in wanted if not _run(one, made, arguments)]
    print(f"{(time.monotonic() - begun) / 60:.1f} minutes")
    rows = report.read(made.path)["figures"]
    (arguments.out / "picture.svg").write_text(picture.draw(rows))
    print(report.table(rows))
    for one in broken:
        print(f"broke: {one.group}.{one.measure.__name__}", file=sys.stderr)
    return 1 if broken else 0


def _run(measurement: Measurement, made: report.Report, arguments: argparse.Namespace) -> bool:
    """One measurement in a directory of its own; whether it gave its results."""
    names = ", ".join(figure.name for figure in measurement.figures)
    print(f"-- {names}", flush=True)
    directory = Path(tempfile.mkdtemp(prefix="kojid-bench-", dir=arguments.dir))
    directory.chmod(0o755)
    results = {figure.name: Result(skipped="it was broken off") for figure in measurement.figures}
    bench = Bench(directory, small=arguments.small, quick=arguments.quick, say=_say)
    try:
        results = take(measurement, bench)
    except Exception as error:
        traceback.print_exc()
        results = {figure.name: Result(skipped=f"it broke: {error!r}") for figure in measurement.figures}
        return False
    finally:
        for figure in measurement.figures:
            print(report.line(made.add(figure, results[figure.name])), flush=True)
        made.write([figure.name for figure in all_figures()])
        if not arguments.keep:
            shutil.rmtree(directory, ignore_errors=True)
    return True


def _say(text: str) -> None:
    print(text, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a figure, or a module of bench/figures; all without")
    parser.add_argument("--list", action="store_true", help="show the figures and measure none")
    parser.add_argument("--quick", action="store_true", help="3 samples at most")
    parser.add_argument("--small", action="store_true", help="1 sample, small amounts: what the tests run")
    parser.add_argument("--out", type=Path, default=OUT, help="directory for results.json and picture.svg")
    parser.add_argument("--dir", type=Path, default=Path("/var/tmp"), help="where hubs and builders work")
    parser.add_argument("--keep", action="store_true", help="leave their directories for a look")
    return parser


__all__: List[str] = ["main"]

if __name__ == "__main__":
    sys.exit(main())
