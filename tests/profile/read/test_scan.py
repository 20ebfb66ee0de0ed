"""Blocks that machine code scans give the same columns as those that are decoded."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from collections.abc import Iterator
from json import dumps
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
_NUMBERS = (
    st.integers(-(10**19), 10**19).map(str)
    | st.integers(-9, 99).map(str)
    | st.decimals(-(10**7), 10**16, allow_nan=False, places=3).map(str)
    | st.from_regex(r"\A-?[0-9]{1,17}(\.[0-9]{0,12})?([eE][+-]?[0-9]{1,3})?\Z")
    | st.from_regex(r"\A-?[0-9]{1,9}\.[0-9]{1,9}\Z")
)
_STRINGS = (
    st.text(st.sampled_from('ab{}[]",:\\/ é→\U0001f600'), max_size=9).map(
        lambda text: dumps(text, ensure_ascii=False).encode(errors="surrogatepass")
    )
    | st.from_regex(r'\A"([a\x7f\x1f/]|\\["\\/bfnrtxu]|\\u[0-9a-fD]{4})*"\Z').map(str.encode)
    | st.sampled_from([b'"X"', b'"[memory]"', b'"\\u005bmemory]"', b'"\\u0058"', b'"B"', b'""', b'"a', b'"7"'])
).map(lambda raw: raw.decode(errors="surrogateescape"))
_SCALARS = _NUMBERS | _STRINGS | st.sampled_from(["null", "true", "false", "nul", "", "NaN", "-"])
_ANY: st.SearchStrategy[str] = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda values: "[" + ", ".join(values) + "]")
        | st.lists(st.tuples(_STRINGS, _SPACE, inner), max_size=3).map(
            lambda members: "{" + ",".join(f"{key}{space}:{value}" for key, space, value in members) + "}"
        )
    ),
    max_leaves=6,
)


def _members(keys: dict[str, st.SearchStrategy[str]]) -> st.SearchStrategy[str]:
    """Some members, mostly with values as they should be, in any order, and some of them twice."""
    member = st.sampled_from(sorted(keys)).flatmap(
        lambda key: st.tuples(st.just(key), _SPACE, _SPACE, keys[key] | keys[key] | keys[key] | _ANY, _SPACE)
    )
    return st.lists(member, max_size=7).map(
        lambda members: ",".join(f'{a}"{key}"{b}:{a}{value}{c}' for key, a, b, value, c in members)
    )


_INTEGERS = st.integers(-1, 9).map(str) | _NUMBERS | st.just("null")
_ARGS = {
    **dict.fromkeys(
        ("External id", "external id", "device", "stream", "correlation", "bytes", "Bytes", "x"), _INTEGERS
    ),
    **dict.fromkeys(("Python id", "Device Type", "Device Id", "Total Allocated", "In msg nelems"), _INTEGERS),
    **dict.fromkeys(("Input Dims", "Input type", "y"), _ANY),
    **dict.fromkeys(("Call stack", "Collective name", "dtype", "Process Group Name"), _STRINGS | st.just("null")),
}
_EVENT = {
    "cat": st.sampled_from(['"cpu_op"', '"Kernel"', '"kernel"', '"python_function"', '"user_annotation"']),
    "name": st.sampled_from(['"[memory]"', '"aten::mm"', '"ncclKernel"']) | _STRINGS,
    **dict.fromkeys(("pid", "tid"), st.integers(0, 3).map(str) | _STRINGS | _NUMBERS),
    **dict.fromkeys(("ts", "dur"), _NUMBERS | st.integers(0, 9).map(str)),
    "id": _ANY,
    "args": _members(_ARGS).map(lambda members: "{" + members + "}"),
}
_TEXTS = st.lists(
    st.builds(
        lambda ph, timed, members, space: f'{space}{{"ph": {ph}{timed}{"," if members else ""}{members}}}{space}',
        st.sampled_from(['"X"', '"X"', '"X"', '"X"', '"i"', '"i"', '"M"', '""', '"B"', "null"]),
        st.sampled_from([', "ts": 5, "dur": 1', ', "ts": 7.5, "dur": 0.125', ', "ts": -3', ""]),
        _members(_EVENT),
        _SPACE,
    ),
    min_size=1,
    max_size=3,
).map(",".join)


@settings(max_examples=600)
@given(st.lists(_TEXTS, max_size=3))
def test_whatever_is_accepted_gives_the_same_columns(machine: Machine, blocks: list[str]) -> None:
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


@pytest.mark.parametrize("seed", range(4))
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
