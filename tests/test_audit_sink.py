"""Where audit records go: a file that is renamed, removed, refused, full; a stream that nobody reads any more."""

from __future__ import annotations

import errno
import json
import logging
import os
import random
import resource
import signal
import stat
import threading

import pytest
from worlds import wait_for

from exporter.config import AuditSettings
from exporter.sinks.audit import KEPT, PIECE, ROOM, Audit, AuditError, File, Put, Stream, line, outlet
from exporter.tally import Tally


def lines(first, count, size=100):
    return [line({"event_id": n, "text": "x" * size}) for n in range(first, first + count)]


def ids(*paths):
    return [json.loads(text)["event_id"] for path in paths for text in path.read_text().splitlines()]


class Blocked:
    """An outlet that takes nothing until it is let."""

    def __init__(self):
        self.lines = []
        self.entered, self.go = threading.Event(), threading.Event()

    def put(self, lines):
        self.entered.set()
        self.go.wait(30)
        self.lines += lines
        return Put(len(lines))


@pytest.fixture
def started():
    """Start what writes; it ends with the test."""
    made = []

    def start(where):
        made.append(Audit(Tally()))
        made[-1].use(where)
        return made[-1]

    yield start
    for one in made:
        one.close(30)


def told(audit):
    found = audit._tally.told().get("sagemaker_exporter_audit_records_total", {})
    return int(found.get(("written",), 0)), int(found.get(("lost",), 0))


def opened(path, rotate=0):
    return outlet(AuditSettings(output="file", path=str(path), rotate=rotate))


# -- a file ------------------------------------------------------------------------------------------------------------


def test_a_file_is_made_for_its_owner_alone_and_appended_to(tmp_path):
    path = tmp_path / "audit.jsonl"
    before = os.umask(0)
    try:
        assert opened(path).put(lines(0, 2)) == Put(2)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert opened(path).put(lines(2, 1)) == Put(1)
    assert ids(path) == [0, 1, 2]


def test_a_file_that_has_become_large_is_renamed_and_so_many_are_kept(tmp_path):
    path, size = tmp_path / "a", len(lines(100, 1)[0])
    file = File(path, 10 * size)
    for n in range(100, 100 + 10 * (KEPT + 3)):
        assert file.put(lines(n, 1)) == Put(1)
    names = [path, *(tmp_path / f"a.{n}" for n in range(1, KEPT + 1))]
    assert sorted(tmp_path.iterdir()) == sorted(names)
    assert ids(*reversed(names)) == list(range(120, 100 + 10 * (KEPT + 3))), "the two oldest are gone, and nothing else"
    assert all(name.stat().st_size <= 10 * size for name in names)


def test_many_lines_at_once_are_rotated_in_pieces(tmp_path):
    path = tmp_path / "a"
    file = File(path, 2 * PIECE)
    assert file.put(lines(0, 4000, 300)) == Put(4000)
    rest = sorted(tmp_path.glob("a.*"), reverse=True)
    assert ids(*rest, path) == list(range(4000))
    assert len(rest) == 2
    assert max(one.stat().st_size for one in (path, *rest)) <= 2 * PIECE


def test_a_rotation_that_was_broken_off_leaves_a_hole_that_is_filled_first(tmp_path):
    path, size = tmp_path / "a", len(lines(10, 1)[0])
    file = File(path, size)
    for n in range(10, 14):
        file.put(lines(n, 1))
    (tmp_path / "a.2").unlink()
    file.put(lines(14, 1))
    assert ids(tmp_path / "a.3", tmp_path / "a.2", tmp_path / "a.1", path) == [10, 12, 13, 14]


def test_what_others_rename_or_remove_is_followed(tmp_path):
    path = tmp_path / "audit.jsonl"
    file = opened(path)
    file.put(lines(0, 1))
    path.rename(tmp_path / "old")
    file.put(lines(1, 1))
    assert ids(tmp_path / "old", path) == [0, 1]
    path.unlink()
    file.put(lines(2, 1))
    assert ids(path) == [2]
    os.truncate(path, 0)
    file.put(lines(3, 1))
    assert ids(path) == [3]


def test_a_line_that_a_crash_has_torn_stands_alone(tmp_path):
    path = tmp_path / "audit.jsonl"
    file = opened(path)
    file.put(lines(0, 1))
    with path.open("ab") as torn:
        torn.write(b'{"event_id":')
    assert file.put(lines(1, 2)) == Put(2)
    assert path.read_bytes().splitlines() == [*(one.strip() for one in lines(0, 1)), b'{"event_id":'] + [
        one.strip() for one in lines(1, 2)
    ]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (str, "No such file or directory"),
        (lambda path: path.parent.mkdir() or path.mkdir(), "Is a directory"),
        (lambda path: path.parent.mkdir() or os.mkfifo(path), "it is no regular file"),
        (lambda path: path.parent.mkdir() or path.write_bytes(b"SQLite format 3\0"), "it holds something else than"),
        (lambda path: path.parent.write_text("no folder"), "Not a directory"),
    ],
)
def test_where_nothing_can_be_written_is_told_at_once(tmp_path, make, why):
    path = tmp_path / "folder" / "audit.jsonl"
    make(path)
    with pytest.raises(AuditError, match=why) as refused:
        opened(path)
    assert str(refused.value).startswith(f"audit.path: {path} can't be written: ")


def test_nowhere_is_nowhere():
    assert outlet(AuditSettings()) is None


@pytest.fixture
def small_disk():
    """Let no file of this process become larger than so many bytes, until the test is over."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signalled = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, signalled)


def test_a_full_disk_loses_lines_and_tears_at_most_one(tmp_path, small_disk):
    path, size = tmp_path / "audit.jsonl", len(lines(0, 1)[0])
    file = opened(path)
    small_disk(int(2.5 * size))
    assert file.put(lines(0, 5)) == Put(2, "File too large")
    assert file.put(lines(5, 1)) == Put(0, "File too large")
    small_disk(100 * size)
    assert file.put(lines(6, 2)) == Put(2)
    whole = [json.loads(text)["event_id"] for text in path.read_text().splitlines() if text.endswith("}")]
    assert whole == [0, 1, 6, 7]
    assert len(path.read_text().splitlines()) == 5


def test_a_file_that_can_not_be_renamed_grows(tmp_path, monkeypatch):
    path, size = tmp_path / "a", len(lines(0, 1)[0])

    def refuse(self, _):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    file = File(path, size)
    assert file.put(lines(0, 1)) == Put(1)
    assert file.put(lines(1, 1)) == Put(1, "the file can't be renamed, and grows: Operation not permitted")
    assert ids(path) == [0, 1]


# -- a stream ----------------------------------------------------------------------------------------------------------


def test_a_stream_that_nobody_reads_any_more_loses_lines():
    reader, writer = os.pipe()
    try:
        stream = Stream(writer)
        assert stream.put(lines(0, 2)) == Put(2)
        assert os.read(reader, 1 << 16) == b"".join(lines(0, 2))
        os.close(reader)
        assert stream.put(lines(2, 3)) == Put(0, "Broken pipe")
    finally:
        os.close(writer)


def test_a_stream_that_is_full_is_torn_once_and_goes_on_on_a_new_line():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        stream = Stream(writer)
        put = stream.put(lines(0, 2000))
        assert 0 < put.lines < 2000
        assert put.trouble == "Resource temporarily unavailable"
        first = os.read(reader, 1 << 20)
        assert not first.endswith(b"\n")
        assert stream.put(lines(2000, 1)) == Put(1)
        assert os.read(reader, 1 << 20) == b"\n" + lines(2000, 1)[0]
    finally:
        os.close(reader)
        os.close(writer)


# -- what writes -------------------------------------------------------------------------------------------------------


def test_lines_of_many_threads_never_interleave_and_those_of_one_reading_stand_together(started, tmp_path):
    path = tmp_path / "audit.jsonl"
    audit = started(File(path, 0))
    batches = [[{"event_id": f"{n}-{k}", "text": "y" * 3000} for k in range(20)] for n in range(100)]
    threads = [threading.Thread(target=lambda n=n: [audit.write(one) for one in batches[n::4]]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    audit.close(30)
    found = ids(path)
    assert len(found) == 2000
    assert all(
        found[n : n + 20] == [f"{found[n].partition('-')[0]}-{k}" for k in range(20)] for n in range(0, 2000, 20)
    )
    assert told(audit) == (2000, 0)


def test_a_reader_that_has_stopped_reading_holds_nobody_up(started, caplog):
    where = Blocked()
    audit = started(where)
    caplog.set_level(logging.INFO)
    audit.write([{"event_id": 0}])
    where.entered.wait(30)
    for n in range(1, 40):
        audit.write([{"event_id": n, "text": "x" * (ROOM // 10)}])
    assert told(audit)[0] == 0
    lost = told(audit)[1]
    assert 25 < lost < 35, "what has no room is lost, and counted"
    where.go.set()
    audit.close(30)
    assert told(audit) == (40 - lost, lost)
    assert len(where.lines) == 40 - lost
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "audit records can't be written, calls are counted all the same: the output takes nothing more",
        "audit records are written again",
    ]


def test_what_can_not_be_written_is_told_once_and_counted(started, tmp_path, caplog):
    path = tmp_path / "gone" / "audit.jsonl"
    path.parent.mkdir()
    audit = started(opened(path))
    caplog.set_level(logging.INFO)
    path.unlink()
    path.parent.rmdir()
    for n in range(3):
        audit.write([{"event_id": n}])
        wait_for(lambda n=n: told(audit) == (0, n + 1))
    path.parent.mkdir()
    audit.write([{"event_id": 3}])
    wait_for(lambda: told(audit) == (1, 3))
    audit.close(30)
    assert ids(path) == [3]
    assert [record.getMessage() for record in caplog.records] == [
        "audit records can't be written, calls are counted all the same: No such file or directory",
        "audit records are written again",
    ]


def test_what_was_handed_over_goes_where_lines_went_then(started, tmp_path):
    where = Blocked()
    audit = started(where)
    audit.write([{"event_id": 0}])
    where.entered.wait(30)
    audit.write([{"event_id": 1}])
    audit.use(File(tmp_path / "new", 0))
    audit.write([{"event_id": 2}])
    audit.use(None)
    audit.write([{"event_id": 3}])
    where.go.set()
    audit.close(30)
    assert where.lines == [line({"event_id": 0}), line({"event_id": 1})]
    assert ids(tmp_path / "new") == [2]
    assert told(audit) == (3, 0)


def test_what_there_is_no_time_for_is_lost_and_counted(started):
    where = Blocked()
    audit = started(where)
    audit.write([{"event_id": 0}])
    where.entered.wait(30)
    audit.write([{"event_id": 1}, {"event_id": 2}])
    audit.close(0.0)
    audit.write([{"event_id": 3}])
    where.go.set()
    audit._thread.join(30)
    assert told(audit) == (1, 3)


def test_any_sizes_and_limits_lose_nothing(tmp_path):
    luck = random.Random(3)
    for n in range(20):
        path = tmp_path / str(n)
        file, first = File(path, luck.choice([0, 500, 5000])), 0
        for _ in range(3):
            count = luck.randrange(1, 4)
            assert file.put(lines(first, count, luck.randrange(1, 1000))) == Put(count)
            first += count
        kept = sorted(tmp_path.glob(f"{n}.*"), reverse=True)
        assert ids(*kept, path) == list(range(first))


class Refusing:
    """A system that tells only at the end that a file takes nothing more."""

    def __getattr__(self, name):
        return getattr(os, name)

    def close(self, descriptor):
        os.close(descriptor)
        raise OSError(errno.EDQUOT, "over quota")


def test_a_file_server_that_refuses_at_the_end_loses_lines_and_ends_nothing(started, tmp_path, monkeypatch, caplog):
    audit = started(opened(tmp_path / "audit.jsonl"))
    with monkeypatch.context() as patch:
        patch.setattr("exporter.sinks.audit.os", Refusing())
        audit.write([{"event_id": 1}])
        wait_for(lambda: told(audit) == (0, 1))
    audit.write([{"event_id": 2}])
    wait_for(lambda: told(audit) == (1, 1))
    assert "over quota" in caplog.text


def test_a_bug_in_an_outlet_ends_nothing(started, caplog):
    class Broken:
        def put(self, lines):
            raise ZeroDivisionError

    audit = started(Broken())
    for n in range(2):
        audit.write([{"event_id": n}])
        wait_for(lambda n=n: told(audit) == (0, n + 1))
    assert "audit records: a bug" in caplog.text
