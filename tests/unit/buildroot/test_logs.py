from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import koji
import pytest
import requests

from kojid.buildroot import logfile
from kojid.buildroot import logs as logs_module
from kojid.buildroot.logs import LogStreamer, Watch, follow


class Hub:
    """Takes blocks as a hub does, and fails when told to."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.blocks: list[tuple[str, int, int]] = []
        self.errors: list[Exception] = []
        self.refused: dict[str, Exception] = {}
        self.requests: list[list[str]] = []

    def block(self, name: str, data: bytes, offset: int) -> None:
        if self.errors:
            raise self.errors.pop(0)
        if name in self.refused:
            raise self.refused[name]
        assert offset <= len(self.files.get(name, b""))
        self.files[name] = self.files.get(name, b"")[:offset] + data
        self.blocks.append((name, offset, len(data)))

    def together(self, pieces: Sequence[tuple[str, bytes, int]]) -> list[int]:
        if self.errors:
            raise self.errors.pop(0)
        self.requests.append([name for name, _, _ in pieces])
        for name, data, offset in pieces:
            if name not in self.refused:
                self.files[name] = self.files.get(name, b"")[:offset] + data
        return [index for index, (name, _, _) in enumerate(pieces) if name in self.refused]


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def names() -> set[str]:
    return set()


@pytest.fixture
def streamer(tmp_path: Path, hub: Hub, names: set[str]) -> LogStreamer:
    (tmp_path / "result").mkdir()
    (tmp_path / "root/var/log").mkdir(parents=True)
    made = LogStreamer(hub.block, names)
    made.watch([Watch(str(tmp_path / "result"), "", "*.log"), Watch(str(tmp_path / "root"), "var/log", "dnf*.log")])
    return made


def append(path: Path, text: str) -> None:
    with open(path, "a") as out:
        out.write(text)


def test_what_has_grown_is_sent_and_nothing_twice(
    tmp_path: Path, hub: Hub, names: set[str], streamer: LogStreamer
) -> None:
    log = tmp_path / "result/root.log"
    append(log, "one\n")
    assert streamer.sync()
    assert streamer.sync()
    append(log, "two\n")
    streamer.finish()
    streamer.finish()
    assert hub.files == {"root.log": b"one\ntwo\n"}
    assert hub.blocks == [("root.log", 0, 4), ("root.log", 4, 4)]
    assert names == {"root.log"}


def test_a_log_that_appears_later_is_found(tmp_path: Path, hub: Hub, streamer: LogStreamer) -> None:
    streamer.sync()
    append(tmp_path / "result/build.log", "x")
    append(tmp_path / "root/var/log/dnf.rpm.log", "y")
    append(tmp_path / "root/var/log/lastlog", "z")
    streamer.finish()
    assert hub.files == {"build.log": b"x", "dnf.rpm.log": b"y"}


def test_places_that_are_not_there_yet_are_no_trouble(tmp_path: Path, hub: Hub) -> None:
    streamer = LogStreamer(hub.block, set())
    streamer.watch([Watch(str(tmp_path / "later"), "var/log", "*.log")])
    assert streamer.sync()
    (tmp_path / "later/var/log").mkdir(parents=True)
    append(tmp_path / "later/var/log/a.log", "a")
    assert streamer.sync()
    assert hub.files == {"a.log": b"a"}


def test_much_at_once_goes_in_large_blocks(
    tmp_path: Path, hub: Hub, streamer: LogStreamer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logfile, "BLOCK", 1000)
    (tmp_path / "result/build.log").write_bytes(b"x" * 2500)
    streamer.sync()
    assert hub.blocks == [("build.log", 0, 1000), ("build.log", 1000, 1000), ("build.log", 2000, 500)]


def test_a_log_that_grows_while_it_is_sent_does_not_hold_up_the_others(
    tmp_path: Path, hub: Hub, names: set[str]
) -> None:
    log = tmp_path / "endless.log"
    append(log, "x")

    def growing(name: str, data: bytes, offset: int) -> None:
        append(log, "x")
        hub.block(name, data, offset)

    streamer = LogStreamer(growing, names)
    streamer.watch([Watch(str(tmp_path), "", "*.log")])
    streamer.sync()
    assert hub.files == {"endless.log": b"x"}


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path, hub: Hub, names: set[str], streamer: LogStreamer) -> None:
    names.add("dnf.log")
    append(tmp_path / "result/dnf.rpm.log", "result")
    append(tmp_path / "root/var/log/dnf.log", "root")
    append(tmp_path / "root/var/log/dnf.rpm.log", "root")
    streamer.finish()
    assert hub.files == {"dnf.rpm.log": b"result", "dnf.DUP00.log": b"root", "dnf.rpm.DUP00.log": b"root"}


def test_numbers_end_at_98(tmp_path: Path, hub: Hub, streamer: LogStreamer, caplog: pytest.LogCaptureFixture) -> None:
    taken = {"dnf.log"} | {f"dnf.DUP{number:02d}.log" for number in range(98)}
    streamer._names |= taken
    append(tmp_path / "root/var/log/dnf.log", "last")
    streamer.finish()
    assert hub.files == {"dnf.DUP98.log": b"last"}
    append(tmp_path / "result/dnf.log", "too many")
    streamer.finish()
    streamer.finish()
    assert len(hub.files) == 1
    assert caplog.text.count("shares its name with too many others") == 1


def test_a_replaced_log_is_sent_from_its_beginning(tmp_path: Path, hub: Hub, streamer: LogStreamer) -> None:
    log = tmp_path / "result/root.log"
    append(log, "first\n")
    streamer.sync()
    append(tmp_path / "result/new", "second, longer\n")
    os.replace(tmp_path / "result/new", log)
    streamer.sync()
    assert hub.files == {"root.log": b"second, longer\n"}


def test_a_truncated_log_is_sent_from_its_beginning(tmp_path: Path, hub: Hub, streamer: LogStreamer) -> None:
    log = tmp_path / "result/root.log"
    append(log, "a long beginning\n")
    streamer.sync()
    log.write_text("short\n")
    streamer.sync()
    assert hub.files == {"root.log": b"short\n"}


def test_a_log_that_disappears_is_noted_once(
    tmp_path: Path, hub: Hub, streamer: LogStreamer, caplog: pytest.LogCaptureFixture
) -> None:
    log = tmp_path / "result/root.log"
    append(log, "one")
    streamer.sync()
    log.unlink()
    streamer.sync()
    streamer.sync()
    assert caplog.text.count("has disappeared") == 1
    append(log, "again")
    streamer.sync()
    assert hub.files == {"root.log": b"again"}


def test_a_planted_link_is_not_followed_and_reported_once(
    tmp_path: Path, hub: Hub, names: set[str], streamer: LogStreamer, caplog: pytest.LogCaptureFixture
) -> None:
    append(tmp_path / "secret", "of the host")
    os.symlink(tmp_path / "secret", tmp_path / "root/var/log/dnf.log")
    os.symlink("../../../secret", tmp_path / "root/var/log/dnf.rpm.log")
    os.mkfifo(tmp_path / "root/var/log/dnf.pipe.log")
    for _ in range(3):
        streamer.sync()
    streamer.finish()
    assert hub.files == {}
    assert names == set()
    for name in ("dnf.log", "dnf.rpm.log", "dnf.pipe.log"):
        assert caplog.text.count(f"'{name}' is a link or no regular file") == 1


def test_a_link_in_place_of_the_directory_is_not_followed(
    tmp_path: Path, hub: Hub, streamer: LogStreamer, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "hostlog").mkdir()
    append(tmp_path / "hostlog/dnf.log", "of the host")
    (tmp_path / "root/var/log").rmdir()
    os.symlink(tmp_path / "hostlog", tmp_path / "root/var/log")
    streamer.sync()
    streamer.sync()
    assert hub.files == {}
    assert caplog.text.count("can't be searched for logs") == 1


def test_a_log_that_becomes_a_link_is_not_followed(tmp_path: Path, hub: Hub, streamer: LogStreamer) -> None:
    log = tmp_path / "root/var/log/dnf.log"
    append(log, "mine")
    streamer.sync()
    append(tmp_path / "secret", "of the host, and longer")
    log.unlink()
    os.symlink(tmp_path / "secret", log)
    streamer.finish()
    assert hub.files == {"dnf.log": b"mine"}


def test_companions_found_in_the_chroot_are_ignored(
    tmp_path: Path, hub: Hub, streamer: LogStreamer, caplog: pytest.LogCaptureFixture
) -> None:
    append(tmp_path / "result/root.log-ts.log", "1 2")
    streamer.sync()
    streamer.sync()
    assert hub.files == {}
    assert caplog.text.count("companion log") == 1


def test_there_is_an_end_to_names(
    tmp_path: Path, hub: Hub, streamer: LogStreamer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs_module, "_MOST_LOGS", 3)
    for number in range(5):
        append(tmp_path / f"root/var/log/dnf{number}.log", "x")
    streamer.finish()
    assert len(hub.files) == 3


def test_stamps_say_when_which_part_was_written(tmp_path: Path, hub: Hub, names: set[str]) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "result").mkdir()
    streamer = LogStreamer(hub.block, names, stamps=str(tmp_path / "work"))
    streamer.watch([Watch(str(tmp_path / "result"), "", "*.log")])
    log = tmp_path / "result/build.log"
    append(log, "12345")
    streamer.sync()
    streamer.sync()
    append(log, "678")
    streamer.finish()
    lines = hub.files["build.log-ts.log"].decode().splitlines()
    assert [line.split()[1] for line in lines] == ["0", "5", "8"]
    assert all(line.split()[0].isdigit() for line in lines)
    assert names == {"build.log", "build.log-ts.log"}


@pytest.mark.parametrize("error", [
    requests.ConnectionError("refused"),
    requests.exceptions.HTTPError("502"),
    ConnectionResetError(),
    koji.ServerOffline("maintenance"),
    koji.LockError("held"),
    koji.RetryError("lost answer"),
])  # fmt: skip
def test_transport_trouble_is_for_the_next_time(
    tmp_path: Path, hub: Hub, streamer: LogStreamer, error: Exception
) -> None:
    append(tmp_path / "result/root.log", "one")
    hub.errors = [error]
    assert not streamer.sync()
    assert streamer.sync()
    assert hub.files == {"root.log": b"one"}


def test_after_trouble_the_next_try_waits(
    tmp_path: Path, hub: Hub, streamer: LogStreamer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(logs_module.time, "monotonic", lambda: now[0])
    append(tmp_path / "result/root.log", "one")
    streamer.begin()
    streamer.tick()
    assert not hub.blocks, "too early"
    hub.errors = [requests.ConnectionError()]
    now[0] += 0.3
    streamer.tick()
    now[0] += 1.0
    streamer.tick()
    assert not hub.blocks, "the hub has just been away"
    now[0] += 1.0
    streamer.tick()
    assert hub.blocks


def test_the_end_is_finished_patiently(
    tmp_path: Path, hub: Hub, streamer: LogStreamer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(logs_module.time, "sleep", pauses.append)
    append(tmp_path / "result/root.log", "one")
    hub.errors = [requests.ConnectionError() for _ in range(4)]
    streamer.finish()
    assert hub.files == {"root.log": b"one"}
    assert pauses == [0.5, 1.0, 2.0, 4.0]


def test_patience_has_an_end(tmp_path: Path, hub: Hub, streamer: LogStreamer, caplog: pytest.LogCaptureFixture) -> None:
    append(tmp_path / "result/root.log", "one")
    hub.errors = [requests.ConnectionError() for _ in range(10)]
    streamer.finish(patience=0.1)
    assert "the end of some is missing" in caplog.text


@pytest.mark.parametrize("error", [koji.ActionNotAllowed("host 1 does not own task 2"), koji.AuthExpired("gone")])
def test_a_task_that_is_not_ours_any_more_is_raised(
    tmp_path: Path, hub: Hub, streamer: LogStreamer, error: Exception
) -> None:
    append(tmp_path / "result/root.log", "one")
    hub.errors = [error]
    with pytest.raises(type(error)):
        streamer.sync()


def test_a_log_that_the_hub_refuses_does_not_stop_the_others(
    tmp_path: Path, hub: Hub, streamer: LogStreamer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs_module.time, "sleep", lambda seconds: None)
    append(tmp_path / "result/build.log", "one")
    append(tmp_path / "result/root.log", "two")
    hub.refused["build.log"] = koji.GenericError("destination is a symlink")
    streamer.finish()
    assert hub.files == {"root.log": b"two"}


def test_one_log_of_a_command_can_be_followed(tmp_path: Path, hub: Hub) -> None:
    names: set[str] = set()
    streamer = follow(hub.block, str(tmp_path / "createrepo.log"), names)
    append(tmp_path / "createrepo.log", "x")
    append(tmp_path / "other.log", "x")
    streamer.finish()
    assert hub.files == {"createrepo.log": b"x"}
    assert names == {"createrepo.log"}


class Clock:
    """A clock that the test moves, and a hub that takes its time by it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, hub: Hub, took: float = 0.03) -> None:
        self.now = 100.0
        self.took = took
        self._hub = hub
        monkeypatch.setattr(logs_module.time, "monotonic", lambda: self.now)

    def block(self, name: str, data: bytes, offset: int) -> None:
        self.now += self.took
        self._hub.block(name, data, offset)


class TestPace:
    """A log is looked at often, which costs nothing, and sent at the pace that the hub answers in."""

    @staticmethod
    def grown(tmp_path: Path, clock: Clock, seconds: float, pause: float = 0.0) -> list[float]:
        """The moments at which a log was sent that a line is written to at each look, or after pauses."""
        streamer = LogStreamer(clock.block, set())
        streamer.watch([Watch(str(tmp_path), "", "*.log")])
        moments: list[float] = []
        written, end, blocks = 0.0, clock.now + seconds, 0
        while clock.now < end:
            if clock.now >= written + pause:
                append(tmp_path / "build.log", "line\n")
                written = clock.now
            streamer.tick()
            if len(clock._hub.blocks) > blocks:
                moments.append(clock.now - written)
                blocks = len(clock._hub.blocks)
            clock.now += logs_module.TICK
        return moments

    def test_a_line_after_a_silence_is_sent_at_the_next_look(
        self, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        delays = self.grown(tmp_path, Clock(monkeypatch, hub), 20, pause=2)
        assert len(delays) == 10
        assert max(delays) < logs_module.TICK

    def test_a_log_that_never_stops_is_sent_in_few_requests(
        self, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert 15 <= len(self.grown(tmp_path, Clock(monkeypatch, hub), 10)) <= 10 / logs_module.GAP

    def test_a_slow_hub_is_asked_less_often(self, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
        assert len(self.grown(tmp_path, Clock(monkeypatch, hub, took=1.0), 50)) == 10

    def test_looking_at_logs_that_stand_still_asks_nothing(
        self, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert len(self.grown(tmp_path, Clock(monkeypatch, hub), 20, pause=30)) == 1

    def test_much_to_send_does_not_keep_the_command_from_being_waited_for(
        self, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(logfile, "BLOCK", 10)
        clock = Clock(monkeypatch, hub, took=1.0)
        streamer = LogStreamer(clock.block, set())
        streamer.watch([Watch(str(tmp_path), "", "*.log")])
        append(tmp_path / "build.log", "x" * 100)
        streamer.tick()
        assert len(hub.blocks) == 2
        streamer.tick()
        assert len(hub.blocks) == 4, "what is left goes at once"
        streamer.finish()
        assert hub.files == {"build.log": b"x" * 100}


def test_a_long_log_does_not_block_a_short_one(
    tmp_path: Path, hub: Hub, streamer: LogStreamer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logfile, "BLOCK", 10)
    append(tmp_path / "result/build.log", "x" * 100)
    append(tmp_path / "result/root.log", "y" * 15)
    append(tmp_path / "root/var/log/dnf.log", "z")
    assert streamer.sync()
    assert [name for name, _, _ in hub.blocks[:5]] == ["build.log", "root.log", "dnf.log", "build.log", "root.log"]
    assert hub.files == {"build.log": b"x" * 100, "root.log": b"y" * 15, "dnf.log": b"z"}


class TestTogether:
    """What several logs have grown by goes by one request."""

    @pytest.fixture
    def streamer(self, tmp_path: Path, hub: Hub, names: set[str]) -> LogStreamer:
        (tmp_path / "result").mkdir()
        (tmp_path / "work").mkdir()
        made = LogStreamer(hub.block, names, together=hub.together)
        made.watch([Watch(str(tmp_path / "result"), "", "*.log"), Watch(str(tmp_path / "work"), "", "*.log")])
        return made

    def test_small_pieces_share_a_request(
        self, tmp_path: Path, hub: Hub, names: set[str], streamer: LogStreamer
    ) -> None:
        for text in ("one\n", "two\n"):
            append(tmp_path / "result/build.log", text)
            append(tmp_path / "work/mock_output.log", text)
            assert streamer.sync()
        assert streamer.sync()
        assert hub.requests == [["build.log", "mock_output.log"]] * 2
        assert hub.blocks == []
        assert hub.files == {"build.log": b"one\ntwo\n", "mock_output.log": b"one\ntwo\n"}
        assert names == set(hub.files)

    def test_a_single_piece_and_large_ones_go_as_they_are(
        self, tmp_path: Path, hub: Hub, streamer: LogStreamer
    ) -> None:
        append(tmp_path / "result/build.log", "x" * 100_000)
        append(tmp_path / "work/mock_output.log", "y")
        streamer.finish()
        assert hub.requests == []
        assert [name for name, _, _ in hub.blocks] == ["build.log", "mock_output.log"]

    def test_a_piece_that_is_refused_is_sent_by_itself(self, tmp_path: Path, hub: Hub, streamer: LogStreamer) -> None:
        append(tmp_path / "result/build.log", "x")
        append(tmp_path / "work/mock_output.log", "y")
        hub.refused["build.log"] = koji.GenericError("destination is a symlink")
        assert not streamer.sync()
        assert hub.files == {"mock_output.log": b"y"}
        del hub.refused["build.log"]
        streamer.finish()
        assert hub.files == {"build.log": b"x", "mock_output.log": b"y"}

    def test_a_hub_that_is_away_gets_them_later(self, tmp_path: Path, hub: Hub, streamer: LogStreamer) -> None:
        append(tmp_path / "result/build.log", "x")
        append(tmp_path / "work/mock_output.log", "y")
        hub.errors = [requests.ConnectionError("refused")]
        assert not streamer.sync()
        assert streamer.sync()
        assert hub.files == {"build.log": b"x", "mock_output.log": b"y"}

    def test_a_log_that_is_replaced_begins_anew(self, tmp_path: Path, hub: Hub, streamer: LogStreamer) -> None:
        for name in ("a.log", "b.log"):
            append(tmp_path / "result" / name, "a long beginning")
        streamer.sync()
        for name in ("a.log", "b.log"):
            (tmp_path / "result" / name).write_text("short")
        streamer.sync()
        assert hub.files == {"a.log": b"short", "b.log": b"short"}
