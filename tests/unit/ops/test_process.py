"""Logs of processes."""

from pathlib import Path

from ops.process import ProcessLog


def test_a_log_at_its_limit_is_moved_aside_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path, "web", limit_bytes=100)
    with log.open() as writer:
        writer.write(b"old line\n" * 20)
        writer.flush()
        log.rotate()
        writer.write(b"new line\n")
    assert log.path.read_text() == "new line\n"
    assert (tmp_path / "web.log.1").read_text() == "old line\n" * 20
    log.rotate()
    assert log.path.read_text() == "new line\n"


def test_the_tail_is_the_last_lines(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path, "web")
    assert log.tail() == ""
    with log.open() as writer:
        writer.write("".join(f"line {number}\n" for number in range(5000)).encode())
    assert log.tail(2) == "line 4998\nline 4999"
