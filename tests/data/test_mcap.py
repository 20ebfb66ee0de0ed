from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mcap.writer import CompressionType
from tests.data.recordings import (
    CHUNK,
    FOOTER,
    HEADER,
    MAGIC,
    MESSAGE,
    as_json,
    channel_record,
    chunk_record,
    message_record,
    plain_mcap,
    record,
    ros,
    schema_record,
    text,
    write_mcap,
)

from drivetrain.core.errors import DataError, SampleError
from drivetrain.data import open_log
from drivetrain.data.log import Log, Message

DEFINED = schema_record(1, "Plain", "jsonschema", b"{}") + channel_record(1, 1, "/plain", "json")


def _values(log: Log, name: str) -> list[object]:
    return [log.streams[name].read(i) for i in range(len(log.streams[name]))]


def _messages_of(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, bytes]]:
    """Channel, stamp and data of messages by a plain scan; chunks of the conformance files are not compressed."""
    at = start
    while at < end:
        opcode, length = struct.unpack_from("<BQ", data, at)
        body = at + 9
        if opcode == MESSAGE:
            channel, _, t_ns, _ = struct.unpack_from("<HIQQ", data, body)
            yield channel, t_ns, data[body + 22 : body + length]
        elif opcode == CHUNK:
            name_length = struct.unpack_from("<I", data, body + 28)[0]
            assert not name_length
            yield from _messages_of(data, body + 32 + 8, body + length)
        elif opcode == FOOTER:
            return
        at = body + length


def test_every_conformance_file_gives_the_messages_that_a_plain_scan_finds(shared_data: Path) -> None:
    files = sorted((shared_data / "mcap_conformance").rglob("*.mcap"))
    assert len(files) == 171
    for file in files:
        whole = file.read_bytes()
        expected = sorted(_messages_of(whole, len(MAGIC), len(whole) - len(MAGIC)))
        log = open_log(file)
        assert log.notes == (), file
        found = []
        for stream in log.streams.values():
            for i, t_ns in enumerate(stream.t_ns.tolist()):
                message = stream.read(i)
                assert isinstance(message, Message)
                found.append((t_ns, message.data))
        assert sorted(found) == sorted((t_ns, data) for _, t_ns, data in expected), file
        assert len(expected) == {"OneMessage": 1, "TenMessages": 10}.get(file.parent.name, 0)


def _padded(records: bytes) -> bytes:
    """Records with more at their ends than today's format has, as a later one may; a message cannot have."""
    found, at = b"", 0
    while at < len(records):
        opcode, length = struct.unpack_from("<BQ", records, at)
        body = records[at + 9 : at + 9 + length]
        found += record(opcode, body if opcode in (MESSAGE, FOOTER) else body + b"more")
        at += 9 + length
    return found


def test_what_a_later_format_adds_to_records_is_stepped_over(tmp_path: Path) -> None:
    records = DEFINED + message_record(1, 5, as_json(a=1))
    file = tmp_path / "log.mcap"
    whole = plain_mcap(chunk_record(_padded(records)), message_record(1, 6, as_json(a=2)), record(0x80, b"private"))
    file.write_bytes(MAGIC + _padded(whole[len(MAGIC) : -len(MAGIC)]) + MAGIC)
    log = open_log(file)
    assert log.notes == ()
    assert [message.decoded for message in _values(log, "/plain")] == [{"a": 1}, {"a": 2}]  # type: ignore[attr-defined]


@pytest.mark.parametrize("compression", list(CompressionType))
@pytest.mark.parametrize("layout", ["summary", "no indexes", "no chunks", "no summary"])
def test_however_a_file_is_laid_out_it_gives_the_same_messages_in_its_order(
    tmp_path: Path, compression: CompressionType, layout: str
) -> None:
    stamps = [5, 3, 3, 9, 10**18, 1, 2]  # the clock jumps, and one stamp is there twice
    topic = ("/plain", "Plain", "json", [(t, as_json(number=i)) for i, t in enumerate(stamps)])
    settings = {"use_chunking": False} if layout == "no chunks" else {"chunk_size": 100, "compression": compression}
    file = write_mcap(tmp_path / "log.mcap", [topic], **settings)  # type: ignore[arg-type]
    if layout == "no indexes":
        from mcap.writer import IndexType

        write_mcap(file, [topic], **settings, index_types=IndexType.NONE)  # type: ignore[arg-type]
    elif layout == "no summary":
        whole = file.read_bytes()
        end = struct.unpack_from("<Q", whole, len(whole) - 28)[0]
        file.write_bytes(whole[:end] + record(FOOTER, bytes(20)) + MAGIC)
    stream = open_log(file).streams["/plain"]
    assert stream.t_ns.tolist() == stamps
    assert [stream.read(i).decoded for i in range(len(stream))] == [{"number": i} for i in range(len(stamps))]  # type: ignore[attr-defined]


def test_a_file_that_was_cut_short_gives_what_is_whole_and_says_so(tmp_path: Path) -> None:
    messages = [(i, as_json(number=i)) for i in range(200)]
    whole = write_mcap(tmp_path / "whole.mcap", [("/plain", "", "json", messages)], chunk_size=1000).read_bytes()
    cut = tmp_path / "cut.mcap"
    counts = set()
    for length in range(len(MAGIC), len(whole), 97):
        cut.write_bytes(whole[:length])
        try:
            log = open_log(cut)
        except DataError:  # not one message is whole
            assert length < 1500
            continue
        assert "cut short" in log.notes[0]
        if "/plain" in log.streams:
            assert _values(log, "/plain") == [
                Message("", "json", as_json(number=i), {"number": i}) for i in range(len(log.streams["/plain"]))
            ]
            counts.add(len(log.streams["/plain"]))
    assert max(counts) == 200
    assert len(counts) > 3


@pytest.mark.parametrize("compression", list(CompressionType))
def test_of_a_chunk_that_was_cut_short_whole_messages_are_read(tmp_path: Path, compression: CompressionType) -> None:
    noise = np.random.default_rng(0)
    messages = [(i, as_json(number=i, noise=noise.bytes(100).hex())) for i in range(6000)]
    file = write_mcap(
        tmp_path / "cut.mcap", [("/plain", "", "json", messages)], compression=compression, chunk_size=1 << 30
    )
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    log = open_log(file)
    stream = log.streams["/plain"]
    assert 2000 < len(stream) < 4000
    for i in (0, 1000, len(stream) - 1):
        assert stream.read(i).data == messages[i][1]  # type: ignore[attr-defined]
    assert "its other messages are left out" in log.notes[1]


def test_a_chunk_that_was_altered_is_refused_where_it_is_read(tmp_path: Path) -> None:
    messages = [(i, as_json(number=i)) for i in range(100)]
    file = write_mcap(
        tmp_path / "log.mcap",
        [("/plain", "", "json", messages)],
        compression=CompressionType.NONE,
        chunk_size=1000,
    )
    data = file.read_bytes()
    file.write_bytes(data.replace(b'"number": 50', b'"number": 51', 1))
    stream = open_log(file).streams["/plain"]
    with pytest.raises(SampleError, match="checksum"):
        stream.read(50)
    assert stream.read(0) == Message("", "json", as_json(number=0), {"number": 0})


def test_without_indexes_an_altered_chunk_is_left_out_and_said(tmp_path: Path) -> None:
    good = message_record(1, 1, as_json(number=1))
    bad = chunk_record(message_record(1, 2, as_json(number=2)), crc=7)
    file = tmp_path / "log.mcap"
    file.write_bytes(plain_mcap(DEFINED, chunk_record(good, crc=zlib.crc32(good)), bad, chunk_record(good)))
    log = open_log(file)
    assert len(log.streams["/plain"]) == 2
    assert "does not match its checksum" in log.notes[0]


def test_bytes_altered_outside_chunks_are_told_by_the_checksum_of_the_file(tmp_path: Path) -> None:
    file = write_mcap(
        tmp_path / "log.mcap",
        [("/plain", "", "json", [(1, as_json(number=10))])],
        use_chunking=False,
        enable_data_crcs=True,
    )
    assert open_log(file).notes == ()
    file.write_bytes(file.read_bytes().replace(b'"number": 10', b'"number": 11'))
    with pytest.raises(DataError, match="does not match its checksum"):
        open_log(file)


@pytest.mark.parametrize("compression", ["", "zstd", "lz4", "brotli"])
def test_a_chunk_that_claims_a_terabyte_is_refused(tmp_path: Path, compression: str) -> None:
    file = tmp_path / "log.mcap"
    file.write_bytes(plain_mcap(DEFINED, chunk_record(b"x" * 100, size=1 << 40, compression=compression)))
    with pytest.raises(DataError, match=r"no message .* claims 1,099,511,627,776 bytes"):
        open_log(file)


def test_a_zstd_frame_that_claims_more_than_its_chunk_is_refused(tmp_path: Path) -> None:
    frame = b"\x28\xb5\x2f\xfd" + bytes([0b11100000]) + struct.pack("<Q", 1 << 40) + b"\x01\0\0"
    file = tmp_path / "log.mcap"
    file.write_bytes(plain_mcap(DEFINED, chunk_record(frame, size=1000, compression="zstd")))
    with pytest.raises(DataError, match="by its zstd frame"):
        open_log(file)


def test_a_few_bytes_that_become_millions_of_records_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zstandard

    from drivetrain.data.sources import mcap_index

    monkeypatch.setattr(mcap_index, "_MOST_RECORDS", 1000)
    many = zstandard.compress(message_record(1, 0, b"") * 100_000)
    file = tmp_path / "log.mcap"
    file.write_bytes(plain_mcap(DEFINED, chunk_record(many, size=31 * 100_000, compression="zstd")))
    log = open_log(file)
    assert "more records than its bytes account for" in log.notes[0]
    assert len(log.streams["/plain"]) < 10_000


def test_a_channel_that_no_record_defines_gives_bytes_and_a_note(tmp_path: Path) -> None:
    file = tmp_path / "log.mcap"
    file.write_bytes(plain_mcap(DEFINED, message_record(7, 5, b"what"), message_record(1, 6, as_json(a=1))))
    log = open_log(file)
    assert _values(log, "channel 7") == [Message("", "", b"what")]
    assert len(log.streams["/plain"]) == 1
    assert "channel 7" in log.notes[0]


def test_a_topic_whose_schema_is_missing_gives_bytes(tmp_path: Path) -> None:
    file = tmp_path / "log.mcap"
    file.write_bytes(plain_mcap(channel_record(1, 9, "/lost", "cdr"), message_record(1, 5, b"\0\1\0\0abc")))
    assert _values(open_log(file), "/lost") == [Message("", "cdr", b"\0\1\0\0abc")]


def test_a_schema_we_do_not_decode_is_passed_on_with_its_definition(tmp_path: Path) -> None:
    file = tmp_path / "log.mcap"
    schema = schema_record(1, "foxglove.Log", "protobuf", b"\x0a\x05descr")
    file.write_bytes(plain_mcap(schema, channel_record(1, 1, "/log", "protobuf"), message_record(1, 5, b"\x08\x01")))
    expected = Message("foxglove.Log", "protobuf", b"\x08\x01", None, b"\x0a\x05descr", "protobuf")
    assert _values(open_log(file), "/log") == [expected]


def test_a_standard_type_is_read_where_its_definition_is_in_a_language_we_do_not_read(tmp_path: Path) -> None:
    file = tmp_path / "log.mcap"
    schema = schema_record(1, "std_msgs/msg/Float64", "ros2idl", b"module std_msgs {};")
    data = ros("std_msgs/msg/Float64", {"data": 2.5})
    file.write_bytes(plain_mcap(schema, channel_record(1, 1, "/speed", "cdr"), message_record(1, 5, data)))
    np.testing.assert_array_equal(open_log(file).streams["/speed"].read(0), [2.5])  # type: ignore[arg-type]


def test_one_topic_under_several_channels_is_one_stream_and_another_type_is_another(tmp_path: Path) -> None:
    file = tmp_path / "log.mcap"
    second = channel_record(2, 1, "/plain", "json") + channel_record(3, 0, "/plain", "json")
    messages = [message_record(n, t, as_json(t=t)) for t, n in enumerate([1, 2, 3, 1])]
    file.write_bytes(plain_mcap(DEFINED, second, *messages))
    streams = open_log(file).streams
    assert streams["/plain"].t_ns.tolist() == [0, 1, 3]
    assert streams["/plain@2"].t_ns.tolist() == [2]


def test_a_channel_that_is_defined_twice_differently_ends_the_file(tmp_path: Path) -> None:
    file = tmp_path / "log.mcap"
    other = channel_record(1, 1, "/other", "json")
    file.write_bytes(plain_mcap(DEFINED, message_record(1, 0, as_json()), other, message_record(1, 1, as_json())))
    log = open_log(file)
    assert len(log.streams["/plain"]) == 1
    assert "defined twice, for /plain and /other" in log.notes[0]


def test_a_stamp_past_2262_is_refused_with_its_value(tmp_path: Path) -> None:
    file = tmp_path / "log.mcap"
    file.write_bytes(plain_mcap(DEFINED, message_record(1, 1 << 63, as_json())))
    with pytest.raises(DataError, match="9,223,372,036,854,775,808 ns"):
        open_log(file)


@pytest.mark.parametrize("content", [b"", b"no mcap", MAGIC, MAGIC + b"\0" * 50, MAGIC + record(HEADER, text(""))])
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "log.mcap"
    file.write_bytes(content)
    with pytest.raises(DataError):
        open_log(file)


def test_a_file_is_known_by_how_it_begins(tmp_path: Path) -> None:
    file = tmp_path / "recording"
    file.write_bytes(plain_mcap(DEFINED, message_record(1, 0, as_json())))
    assert open_log(file).source == "mcap"


def test_nan_and_infinity_are_values_like_others(tmp_path: Path) -> None:
    values = [math.nan, math.inf, -0.5]
    messages = [(i, ros("std_msgs/msg/Float64", {"data": value})) for i, value in enumerate(values)]
    log = open_log(write_mcap(tmp_path / "log.mcap", [("/speed", "std_msgs/msg/Float64", "cdr", messages)]))
    stream = log.streams["/speed"]
    assert (stream.kind, stream.fields) == ("scalars", ("data",))
    assert stream.values is not None
    np.testing.assert_array_equal(stream.values()[:, 0], values)


def test_the_hash_changes_with_the_bytes(tmp_path: Path) -> None:
    file = write_mcap(tmp_path / "log.mcap", [("/plain", "", "json", [(1, as_json(a=1))])])
    before = open_log(file).content_hash()
    write_mcap(file, [("/plain", "", "json", [(1, as_json(a=2))])])
    assert open_log(file).content_hash() != before


def test_chunks_that_were_read_last_are_kept_within_a_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from drivetrain.data.sources import cache, mcap

    messages = [(i, as_json(number=i, padding="x" * 500)) for i in range(40)]
    log = open_log(write_mcap(tmp_path / "log.mcap", [("/plain", "", "json", messages)], chunk_size=2000))
    read = []
    whole = mcap.read_chunk
    monkeypatch.setattr(mcap, "read_chunk", lambda path, start: read.append(start) or whole(path, start))
    monkeypatch.setattr(cache, "CACHE_BYTES", 3000)
    assert len(_values(log, "/plain")) == 40
    assert len(read) == len(set(read)) > 5
    num_read = len(read)
    log.streams["/plain"].read(0)
    log.streams["/plain"].read(1)
    assert len(read) == num_read + 1
