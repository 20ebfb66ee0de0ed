from __future__ import annotations

import io
import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from drivetrain.launch import Terminal
from drivetrain.launch.output import Log, Stream


class Screen(io.BytesIO):
    """A stream that says whether it is a terminal."""

    def __init__(self, *, is_terminal: bool = False) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def shown(*chunks: tuple[int, bytes], num_ranks: int = 2) -> bytes:
    screen = Screen()
    terminal = Terminal(num_ranks, stdout=screen, stderr=Screen())
    for rank, chunk in chunks:
        terminal(rank, "stdout", chunk)
    return screen.getvalue()


def test_each_line_says_whose_it_is() -> None:
    assert shown((0, b"a\nb\n"), (1, b"c\n")) == b"[rank 0] a\n[rank 0] b\n[rank 1] c\n"


def test_lines_of_two_ranks_never_mix() -> None:
    assert (
        shown((0, b"one "), (1, b"two "), (0, b"line\n"), (1, b"lines\n")) == b"[rank 0] one line\n[rank 1] two lines\n"
    )


def test_a_last_line_without_an_end_is_shown_at_the_end_of_the_stream() -> None:
    assert shown((1, b"no end")) == b""
    assert shown((1, b"no end"), (1, b"")) == b"[rank 1] no end\n"


def test_a_single_ranks_output_passes_through_as_it_comes() -> None:
    assert shown((0, b"10 %\r20 %"), num_ranks=1) == b"10 %\r20 %"


def test_of_a_rewritten_line_the_last_state_is_shown() -> None:
    assert shown((0, b"10 %\r"), (0, b"20 %\r90 "), (0, b"%\n"), (0, b"dos\r\n")) == b"[rank 0] 90 %\n[rank 0] dos\r\n"


def test_a_huge_line_is_cut_and_memory_stays_bounded() -> None:
    screen = Screen()
    terminal = Terminal(2, stdout=screen, stderr=Screen())
    for _ in range(64):
        terminal(0, "stdout", b"x" * 65536)
        assert sum(map(len, terminal._partial.values())) <= 65536
    assert screen.getvalue().count(b"x") >= 63 * 65536


def test_bytes_that_are_no_text_pass_unharmed() -> None:
    assert shown((0, b"\xff\x00\xfe\n")) == b"[rank 0] \xff\x00\xfe\n"


def test_prefixes_are_coloured_on_a_terminal_unless_asked_not_to(monkeypatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    screen = Screen(is_terminal=True)
    Terminal(2, stdout=screen, stderr=screen)(1, "stderr", b"x\n")
    assert screen.getvalue() == b"\x1b[33m[rank 1]\x1b[0m x\n"
    monkeypatch.setenv("NO_COLOR", "1")
    Terminal(2, stdout=screen, stderr=screen)(1, "stderr", b"x\n")
    assert screen.getvalue().endswith(b"\n[rank 1] x\n")


def test_goes_quiet_when_nobody_reads_any_more() -> None:
    tried = []

    class Closed(Screen):
        def write(self, data: bytes) -> int:
            tried.append(data)
            raise BrokenPipeError

    terminal = Terminal(2, stdout=Closed(), stderr=Screen())
    terminal(0, "stdout", b"x\n")
    terminal(0, "stdout", b"y\n")
    assert tried == [b"[rank 0] x\n"]


def test_a_log_that_cannot_be_written_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    log = Log(tmp_path / "file" / "rank.log")
    log.write(b"x")
    log.leave()
    log.leave()
    assert (tmp_path / "file").read_bytes() == b""


def test_a_stream_that_was_closed_before_its_next_attempt_leaves_no_log_open(tmp_path: Path) -> None:
    read_fd, write_fd = os.pipe()
    os.close(write_fd)
    first, second = Log(tmp_path / "first"), Log(tmp_path / "second")
    stream = Stream(read_fd, 0, "stdout", first, lambda *said: None)
    stream.close()
    stream.go_on_in(0, second)
    for log in (first, second):
        log.leave()  # the other stream's
        assert log._file is None


@given(
    st.lists(st.tuples(st.integers(0, 2), st.binary(max_size=20).filter(lambda b: b"\r" not in b and b)), max_size=20)
)
def test_however_it_is_cut_into_chunks_each_rank_keeps_its_own_lines(chunks: list[tuple[int, bytes]]) -> None:
    lines = shown(*chunks, (0, b""), (1, b""), (2, b""), num_ranks=3).split(b"\n")[:-1]
    for rank in range(3):
        own = [line.removeprefix(b"[rank %d] " % rank) for line in lines if line.startswith(b"[rank %d] " % rank)]
        printed = b"".join(chunk for of_rank, chunk in chunks if of_rank == rank)
        assert own == (printed.removesuffix(b"\n").split(b"\n") if printed else [])


def test_a_crash_that_the_program_outlived_is_no_last_word(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    log = Log(tmp_path / "log")
    stream = Stream(reader, 0, "stderr", log, lambda *_: None)
    crash = (
        "Fatal Python error: Aborted\n\nCurrent thread 0x1 (most recent call first):\n" + 20 * '  File "x.py", line 1\n'
    )
    os.write(writer, (crash + "\nExtension modules: numpy (total: 1)\n").encode())
    stream.drain()
    assert stream.last_lines(3) == ["Fatal Python error: Aborted", *['  File "x.py", line 1'] * 2]
    os.write(writer, b"RuntimeError: Connection reset by peer\n")
    stream.drain()
    assert stream.last_lines(2)[1] == "RuntimeError: Connection reset by peer"
    os.close(writer)
    stream.close()
    for _ in range(2):
        log.leave()
