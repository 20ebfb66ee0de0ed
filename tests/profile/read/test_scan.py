"""Blocks that machine code scans give the same columns as those that are decoded."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.profile.read.fuzz_traces import damaged
from tests.profile.read.rows import changes, rows

from drivetrain.profile import Trace
from drivetrain.profile.read.decode import events_of
from drivetrain.profile.read.gather import Gatherer
from drivetrain.profile.read.metadata import origin
from drivetrain.profile.read.reader import read_text
from drivetrain.profile.read.scan.machine import Machine, machine_code
from drivetrain.profile.read.scan.scanner import Scanner

REAL = (
    "hta/trace_diff_control/control.json.gz",
    "hta/nccl_data/nccl_data.json.gz",
    "kineto_resnet50/num_workers_0/worker0.1623143566756.pt.trace.json.gz",
    "kineto_resnet50/num_workers_4/worker0.1623213129365.pt.trace.json.gz",
    "tracelens/h100/gaunernst_bert-small-uncased__1016001.json.gz",
    "tracelens/h100/facebook_timesformer-base-finetuned-k400__1016002.json.gz",
)


@pytest.fixture(scope="module")
def machine() -> Machine:
    """Made once for this machine, which takes some seconds."""
    found = machine_code(may_be_made=True)
    assert found is not None
    return found


def _values(trace: Trace) -> tuple[Any, ...]:
    return rows(trace), changes(trace), trace.origin


def _trace_of(gatherer: Gatherer) -> Trace:
    return gatherer.trace(lambda base_ns: origin("trace", base_ns, {}, gatherer.skipped))


def _is_scanned_as_it_is_decoded(machine: Machine, blocks: list[bytes]) -> int:
    """Hold one way against the other; how many blocks were accepted."""
    scanning, decoding = Gatherer(Counter(), machine), Gatherer(Counter())
    accepted = [block for order, block in enumerate(blocks) if scanning.scan(memoryview(block), order)]
    for order, block in enumerate(accepted):
        events = events_of(block)
        assert events is not None, block
        decoding.add(events, order)
    assert scanning.num_events == decoding.num_events
    assert _values(_trace_of(scanning)) == _values(_trace_of(decoding))
    return len(accepted)


_SPACE = st.sampled_from(["", "", "", " ", "\n    ", "\t", "\r\n"])
_ODD = (
    *("-0", "01", "1.", ".5", "1.5", "0.125", "-3.75", "1e5", "1E-7", "1e999", "+1", "-", "0x1", "2147483648"),
    *("-2147483649", "123456789012345678", "12345678901234567890", "-9223372036854775808", "4503599627370497.5"),
    *("1623143093519368.125", "0.1234567890123456789", "9007199254740993", "4e15", "4000000000000000.001"),
    *(
        "null",
        "true",
        "false",
        "nul",
        "NaN",
        "",
        "[]",
        "{}",
        "[1, 2]",
        "[ ]",
        "{ }",
        "[1,]",
        '{"a"}',
        '{"a":1,}',
        "[}",
    ),
    *(
        '[[1, "a"],{"b" : [null]} ]',
        '{"a":{"b":[[], {}]}}',
        '{"a":1 "b":2}',
        "[" * 70 + "]" * 70,
        "[" * 50 + "]" * 50,
    ),
    *(
        '""',
        '"a"',
        '"7"',
        '"X"',
        '"B"',
        '"\\n"',
        '"\\u00e9"',
        '"\\ud83d\\ude00"',
        '"\\ud800"',
        '"\\x"',
        '"\\"',
        '"é"',
    ),
    *(
        '"\x01"',
        '"\x7f"',
        '"\udcff"',
        '"a',
        '"[memory]"',
        '"\\u005bmemory]"',
        '"\\u0058"',
        '"a long name of a kernel"',
    ),
    *('"aten::mm"', '"},{"', '"},{\\"ph\\":\\"X\\""', '"cpu_op"', '"Kernel"', '"python_function"', '"trace"'),
)
_TYPICAL = {
    "cat": ('"cpu_op"', '"Kernel"', '"kernel"', '"python_function"', '"gpu_memcpy"', '"user_annotation"', '"x"'),
    "name": ('"[memory]"', '"aten::mm"', '"ncclKernel"', '"é"'),
    "pid": ("1", '"1"', '"Spans"'),
    "tid": ("1", "2", '"a\\\\b"'),
    "ts": ("5", "7.125", "1623143093519368.125"),
    "dur": ("1", "0.5", "-1"),
    "id": ("1", '"a"', '[{"a": 1.5e-3}]'),
    "args": ("null",),
}
_INTEGERS = ("0", "1", "7", "-1", "null")
_OF_ARGS = {
    **dict.fromkeys(("External id", "external id", "device", "stream", "correlation", "bytes", "Bytes"), _INTEGERS),
    **dict.fromkeys(("Python id", "Device Type", "Device Id", "Total Allocated", "In msg nelems", "x"), _INTEGERS),
    **dict.fromkeys(("Input Dims", "Input type", "Concrete Inputs"), ("[[1, 2]]", "[ [1,2] ]", '["a"]', "null")),
    **dict.fromkeys(("Call stack", "Collective name", "dtype", "Process Group Name"), ('"a;b"', '"0"', '""', "null")),
}


def _members(typical: dict[str, tuple[str, ...]]) -> st.SearchStrategy[str]:
    """Some members, mostly with values as they should be, in any order, and some of them twice."""
    usual = [(key, value) for key, values in typical.items() for value in values]
    odd = [(key, value) for key in [*typical, "a\\u0062"] for value in _ODD]
    member = st.tuples(st.sampled_from(usual * (12 * len(odd) // len(usual)) + odd), _SPACE)
    return st.lists(member, max_size=6).map(
        lambda members: ",".join(f'{space}"{key}"{space}:{value}{space}' for (key, value), space in members)
    )


_TEXTS = st.lists(
    st.builds(
        lambda begin, members, args, space: "".join(
            [space, '{"ph": ', begin, *([", ", members] if members else []), args and f', "args": {args}', "}", space]
        ),
        st.sampled_from(
            [
                *(f'"X", "ts": {ts}, "dur": 1' for ts in range(9)),
                '"i", "ts": 3',
                '"i", "ts": 5',
                '"M"',
                '""',
                '"B"',
                '"X"',
            ]
        ),
        _members(_TYPICAL),
        st.just("") | _members(_OF_ARGS).map(lambda members: "{" + members + "}"),
        _SPACE,
    ),
    min_size=1,
    max_size=3,
).map(",".join)


@settings(max_examples=300)
@given(st.lists(_TEXTS, max_size=4))
def test_whatever_is_accepted_gives_the_same_columns(machine: Machine, blocks: list[str]) -> None:
    _is_scanned_as_it_is_decoded(machine, [block.encode(errors="surrogateescape") for block in blocks])


@pytest.mark.slow
@settings(max_examples=2_000)
@given(st.lists(_TEXTS, max_size=4))
def test_whatever_is_accepted_gives_the_same_columns_in_many_more_cases(machine: Machine, blocks: list[str]) -> None:
    _is_scanned_as_it_is_decoded(machine, [block.encode(errors="surrogateescape") for block in blocks])


@settings(max_examples=300)
@given(
    st.decimals(-(10**16), 10**16, allow_nan=False, allow_infinity=False, places=3).map(str)
    | st.from_regex(r"\A-?(0|[1-9][0-9]{0,15})\.[0-9]{1,9}\Z")
    | st.integers(-(10**18), 10**18).map(str)
    | st.tuples(st.integers(2**52, 2**53), st.sampled_from(["5", "25", "75", "500", "4999", "5001"])).map(
        lambda parts: f"{parts[0]}.{parts[1]}"
    )
)
@example("1623143093519368.125")
@example("1623143093519368.375")
@example("9007199254740993")
@example("0.1")
def test_a_number_is_the_nearest_float(machine: Machine, text: str) -> None:
    scanned = Scanner(machine).scan(memoryview(b'{"ph": "X", "ts": %b}' % text.encode()))
    if scanned is None:
        assert len(text.lstrip("-").replace(".", "")) > 18 or abs(float(text)) >= 2**53
    else:
        assert scanned.ts_us.tolist() == [float(text)]


def _text(shared_data: Path, name: str) -> bytes:
    return gzip.decompress((shared_data / name).read_bytes())


def _pieces(text: bytes) -> Iterator[bytes]:
    return (text[at : at + (1 << 18)] for at in range(0, len(text), 1 << 18))


@pytest.mark.parametrize("name", REAL)
def test_real_traces_are_scanned_and_give_the_same_columns(
    machine: Machine, shared_data: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = _text(shared_data, name)
    decoded = read_text(name, _pieces(text), Counter())
    accepted: list[bool] = []
    scan = Gatherer.scan

    def counted(self: Gatherer, block: memoryview, order: int) -> bool:
        accepted.append(scan(self, block, order))
        return accepted[-1]

    monkeypatch.setattr(Gatherer, "scan", counted)
    scanned = read_text(name, _pieces(text), Counter(), machine=machine)
    assert sum(accepted) > 0.95 * len(accepted)
    assert _values(scanned) == _values(decoded)


@pytest.mark.parametrize("seed", range(2))
def test_damaged_parts_of_real_traces_are_refused_or_give_the_same_columns(
    machine: Machine, shared_data: Path, seed: int
) -> None:
    choose = random.Random(seed)
    blocks = []
    for name in REAL:
        text = _text(shared_data, name)
        for _ in range(30):
            begin = text.index(b"{", text.index(b'"ph"', choose.randrange(len(text) * 3 // 4)) + 300)
            begin = text.rindex(b"{", 0, text.index(b'"ph"', begin))
            end = text.rindex(b",", begin, text.rindex(b'"ph"', begin, begin + choose.choice((3000, 20000))))
            blocks.append(text[begin:end])
            blocks += [damaged(blocks[-1], choose) for _ in range(3)]
    accepted = _is_scanned_as_it_is_decoded(machine, blocks)
    assert len(blocks) / 5 < accepted < len(blocks)
