"""The log's way into the journal."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from kojid.cli import journal
from kojid.daemon.tasklog import TaskPrefix
from kojid.redaction import RedactingFormatter
from kojid.system import logfields


class FakeJournal:
    """Keeps what it is sent."""

    def __init__(self, trouble: bool = False) -> None:
        self.sent: List[Tuple[str, Dict[str, Any]]] = []
        self.trouble = trouble

    def send(self, message: str, **fields: Any) -> None:
        if self.trouble:
            raise OSError("no journal")
        self.sent.append((message, fields))


@pytest.fixture(autouse=True)
def _fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logfields, "_fields", {})


@pytest.fixture
def taken() -> Iterator[Tuple[logging.Logger, FakeJournal]]:
    fake = FakeJournal()
    handler = journal.JournalHandler(fake)
    handler.setFormatter(RedactingFormatter(journal.FORMAT))
    handler.addFilter(TaskPrefix())
    logger = logging.getLogger("koji.tests.journal")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield logger, fake
    logger.removeHandler(handler)


def test_records_carry_what_they_are_about(taken: Tuple[logging.Logger, FakeJournal]) -> None:
    logger, fake = taken
    logfields.put(TASK_ID=12, METHOD="buildArch", NVR=logfields.nvr_of_request(["cli-build/1/hello-2.10-1.src.rpm", 3]))
    logfields.put(BUILDROOT=None)
    logger.warning("it is %s", "so")
    message, fields = fake.sent[0]
    assert message == "koji.tests.journal: it is so"
    assert {name: fields[name] for name in ("TASK_ID", "METHOD", "NVR", "PRIORITY", "LOGGER")} == {
        "TASK_ID": "12", "METHOD": "buildArch", "NVR": "hello-2.10-1", "PRIORITY": "4", "LOGGER": "koji.tests.journal",
    }  # fmt: skip
    assert "BUILDROOT" not in fields


def test_no_password_is_in_any_field(taken: Tuple[logging.Logger, FakeJournal]) -> None:
    logger, fake = taken
    logger.error("cloning %s failed", "https://ann:secret@host/x.git")
    assert "secret" not in repr(fake.sent)


def test_a_journal_that_is_gone_costs_the_record_alone(capsys: pytest.CaptureFixture[str]) -> None:
    handler = journal.JournalHandler(FakeJournal(trouble=True))
    handler.handle(logging.makeLogRecord({"msg": "x", "levelno": logging.INFO}))
    assert "no journal" in capsys.readouterr().err


@pytest.mark.parametrize(("level", "number"), [(10, 7), (20, 6), (30, 4), (40, 3), (50, 2)])
def test_levels_have_priorities(level: int, number: int) -> None:
    assert journal.priority(level) == number


def test_only_the_stream_that_systemd_names_is_the_journal(tmp_path: Path) -> None:
    with (tmp_path / "stream").open("w") as stream:
        found = os.fstat(stream.fileno())
        assert journal.reaches(stream, {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"})
        assert not journal.reaches(stream, {"JOURNAL_STREAM": "1:2"})
        assert not journal.reaches(stream, {})


def test_outside_systemd_stderr_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    assert sys.stderr is not None
    assert journal.handler() is None


@pytest.mark.parametrize("request_", [[], ["git://host/x"], [{"a": 1}], [4, None]])
def test_what_names_no_source_package_has_no_nvr(request_: List[Any]) -> None:
    assert logfields.nvr_of_request(request_) is None
