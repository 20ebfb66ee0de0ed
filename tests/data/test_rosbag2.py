from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml
import zstandard
from tests.data.recordings import as_json, ros, write_db3, write_mcap, write_metadata

from drivetrain.core.errors import DataError, SampleError
from drivetrain.data import open_log
from drivetrain.data.log import Message

CHATTER = "std_msgs/msg/String"


def _said(*words: str, start: int = 0) -> list[tuple[int, bytes]]:
    return [(start + i, ros(CHATTER, {"data": word})) for i, word in enumerate(words)]


def _heard(folder: Path, name: str = "/chatter") -> list[str]:
    stream = open_log(folder).streams[name]
    return [stream.read(i).decoded["data"] for i in range(len(stream))]  # type: ignore[attr-defined]


def test_every_real_bag_has_the_messages_that_its_metadata_counts(shared_data: Path) -> None:
    num_bags = 0
    for metadata in sorted((shared_data / "rosbag2_samples").rglob("metadata.yaml")):
        info = yaml.safe_load(metadata.read_text())["rosbag2_bagfile_information"]
        log = open_log(metadata.parent)
        counts = {
            topic["topic_metadata"]["name"]: topic["message_count"] for topic in info["topics_with_message_count"]
        }
        assert {name: len(stream) for name, stream in log.streams.items() if len(stream)} == {
            name: count for name, count in counts.items() if count
        }
        assert sum(map(len, log.streams.values())) == info["message_count"]
        for stream in log.streams.values():
            assert stream.num_listed == len(stream)
            for i in range(0, len(stream), 9):
                message = stream.read(i)
                assert isinstance(message, Message)
                assert message.encoding in ("cdr", "wrong_format")
        num_bags += 1
    assert num_bags == 21


def test_every_real_file_alone_is_a_log_too(shared_data: Path) -> None:
    for file in sorted((shared_data / "rosbag2_samples").rglob("*")):
        if file.suffix in (".mcap", ".db3"):
            log = open_log(file)
            assert log.notes == ()
            assert sum(len(stream) for stream in log.streams.values()) > 0 or "empty_bag" in file.name


def test_both_storages_of_one_recording_say_the_same(shared_data: Path) -> None:
    talker = shared_data / "rosbag2_samples" / "rosbag2_py" / "test" / "resources"
    assert _heard(talker / "mcap" / "talker", "/topic") == _heard(talker / "sqlite3" / "talker", "/topic")
    assert _heard(talker / "mcap" / "talker", "/topic")[0] == "Hello, world! 0"


@pytest.mark.parametrize("file", ["only_services.mcap", "topics_and_services.db3"])
def test_calls_of_a_service_are_decoded_by_the_services_definition(shared_data: Path, file: str) -> None:
    bags = shared_data / "rosbag2_samples" / "rosbag2_cpp" / "test" / "rosbag2_cpp" / "bags"
    stream = open_log(bags / file).streams["/add_two_ints/_service_event"]
    asked, answered = (stream.read(i).decoded for i in range(2))  # type: ignore[attr-defined]
    assert asked["request"] == [{"a": 1, "b": 3}]
    assert answered["response"] == [{"sum": 4}]


def test_standard_types_are_read_without_a_definition(tmp_path: Path) -> None:
    write_db3(tmp_path / "bag.db3", [("/chatter", CHATTER, _said("a", "b"))])
    assert _heard(tmp_path / "bag.db3") == ["a", "b"]


def test_any_thread_may_read(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    words = [str(i) * 3000 for i in range(2000)]
    write_db3(tmp_path / "bag_0.db3", [("/chatter", CHATTER, _said(*words[:1000]))])
    write_mcap(tmp_path / "bag_1.mcap", [("/chatter", CHATTER, "cdr", _said(*words[1000:]))], chunk_size=20_000)
    write_metadata(tmp_path, ["bag_0.db3", "bag_1.mcap"], {})
    streams = open_log(tmp_path).streams
    with ThreadPoolExecutor(4) as pool:
        for name, said in (("/chatter", words[:1000]), ("/chatter@2", words[1000:])):
            heard = pool.map(lambda i, name=name: streams[name].read(i).decoded["data"], reversed(range(1000)))  # type: ignore[attr-defined]
            assert list(heard) == said[::-1]


def test_a_definition_in_the_file_says_how_to_read(tmp_path: Path) -> None:
    messages = [(5, b"\0\1\0\0" + b"\2\0\0\0")]
    write_db3(tmp_path / "bag.db3", [("/gear", "my_msgs/msg/Gear", messages)], {"my_msgs/msg/Gear": "int32 gear"})
    stream = open_log(tmp_path / "bag.db3").streams["/gear"]
    assert (stream.kind, stream.fields, stream.read(0)) == ("scalars", ("gear",), [2.0])


def test_a_type_nobody_defines_is_bytes(tmp_path: Path) -> None:
    write_db3(tmp_path / "bag.db3", [("/gear", "my_msgs/msg/Gear", [(5, b"\0\1\0\0\2")])])
    expected = Message("my_msgs/msg/Gear", "cdr", b"\0\1\0\0\2")
    assert open_log(tmp_path / "bag.db3").streams["/gear"].read(0) == expected


def test_a_definition_that_is_not_the_messages_gives_bytes(shared_data: Path) -> None:
    bag = shared_data / "rosbag2_samples" / "rosbag2_py" / "test" / "resources" / "sqlite3" / "talker"
    message = open_log(bag).streams["/rosout"].read(0)  # its definition was made up: one byte
    assert isinstance(message, Message)
    assert message.decoded is None
    assert message.definition == b"uint8 level"


def test_messages_of_a_topic_nobody_lists_are_bytes(tmp_path: Path) -> None:
    write_db3(tmp_path / "bag.db3", [("/chatter", CHATTER, _said("a"))])
    with closing(sqlite3.connect(tmp_path / "bag.db3")) as database:
        database.execute("INSERT INTO messages VALUES (NULL, 9, 7, ?)", (b"what",))
        database.commit()
    assert open_log(tmp_path / "bag.db3").streams["topic 9"].read(0) == Message("", "", b"what")


@pytest.mark.parametrize("ending", ["db3", "mcap"])
def test_files_follow_each_other_by_number_where_nothing_lists_them(tmp_path: Path, ending: str) -> None:
    for number in (10, 9, 0):
        file = tmp_path / f"bag_{number}.{ending}"
        said = _said(f"{number}", start=100 - number)
        if ending == "db3":
            write_db3(file, [("/chatter", CHATTER, said)])
        else:
            write_mcap(file, [("/chatter", CHATTER, "cdr", said)])
    assert _heard(tmp_path) == ["0", "9", "10"]
    assert open_log(tmp_path).streams["/chatter"].t_ns.tolist() == [100, 91, 90]


def test_several_recordings_in_a_folder_are_not_one(tmp_path: Path, shared_data: Path) -> None:
    for name in ("monday.mcap", "tuesday.mcap"):
        write_mcap(tmp_path / name, [("/chatter", CHATTER, "cdr", _said("a"))])
    bags = shared_data / "rosbag2_samples" / "rosbag2_cpp" / "test" / "rosbag2_cpp" / "bags"
    for folder in (tmp_path, bags):
        with pytest.raises(DataError, match="holds several recordings") as caught:
            open_log(folder)
        assert ".mcap" in caught.value.hint


def test_files_that_are_absent_or_damaged_are_said_and_counted(tmp_path: Path) -> None:
    write_db3(tmp_path / "bag_0.db3", [("/chatter", CHATTER, _said("a", "b"))])
    (tmp_path / "bag_1.db3").write_bytes(b"no database")
    write_metadata(tmp_path, ["bag/bag_0.db3", "bag_1.db3", "bag_2.db3"], {"/chatter": 5})
    log = open_log(tmp_path)
    assert _heard(tmp_path) == ["a", "b"]
    assert log.streams["/chatter"].num_listed == 5
    assert [note.partition(":")[0] for note in log.notes] == ["bag_2.db3", "bag_1.db3 is left out"]


def test_a_name_in_the_metadata_never_leaves_the_folder(tmp_path: Path) -> None:
    write_db3(tmp_path / "secret.db3", [("/chatter", CHATTER, _said("secret"))])
    folder = tmp_path / "bag"
    folder.mkdir()
    write_metadata(folder, ["../secret.db3", str(tmp_path / "secret.db3")], {})
    with pytest.raises(DataError, match=r"secret\.db3: listed .* not in the folder"):
        open_log(folder)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff\xfe\0", "is not what rosbag2 writes"),
        (b"a: [", "is not what rosbag2 writes"),
        (b"- 1", "is not what rosbag2 writes"),
        (b"rosbag2_bagfile_information: {relative_file_paths: 5}", "is not what rosbag2 writes"),
        (b"x: {}", "is not what rosbag2 writes"),
        (b"!!python/object/apply:os.system ['false']", "is not what rosbag2 writes"),
        (b"[" * 100_000, "is not what rosbag2 writes"),
        (b"a: &x [1]\nb: [*x, *x]", "aliases"),
    ],
)
def test_damaged_metadata_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    write_db3(tmp_path / "bag_0.db3", [("/chatter", CHATTER, _said("a"))])
    (tmp_path / "metadata.yaml").write_bytes(content)
    with pytest.raises(DataError, match=why):
        open_log(tmp_path)


def test_messages_compressed_one_by_one_are_read(tmp_path: Path) -> None:
    packed = [(t, zstandard.compress(data)) for t, data in _said("a", "b")]
    write_db3(tmp_path / "bag_0.db3", [("/chatter", CHATTER, [*packed, (7, b"no zstd")])])
    write_metadata(tmp_path, ["bag_0.db3"], {}, compression_mode="MESSAGE", compression_format="zstd")
    stream = open_log(tmp_path).streams["/chatter"]
    assert [stream.read(i).decoded for i in range(2)] == [{"data": "a"}, {"data": "b"}]  # type: ignore[attr-defined]
    with pytest.raises(SampleError, match="cannot be decompressed"):
        stream.read(2)


def test_files_compressed_as_a_whole_are_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "bag_0.db3.zstd").write_bytes(zstandard.compress(b"anything"))
    write_metadata(tmp_path, ["bag_0.db3.zstd"], {}, compression_mode="FILE", compression_format="zstd")
    with pytest.raises(DataError, match="compressed as a whole") as caught:
        open_log(tmp_path)
    assert "zstd -d" in caught.value.hint


def test_a_recording_that_was_not_closed_is_refused_with_the_way_out(tmp_path: Path) -> None:
    write_db3(tmp_path / "bag.db3", [("/chatter", CHATTER, _said("a"))])
    (tmp_path / "bag.db3-wal").write_bytes(b"frames")
    with pytest.raises(DataError, match="was not closed") as caught:
        open_log(tmp_path / "bag.db3")
    assert "wal_checkpoint" in caught.value.hint


@pytest.mark.parametrize(
    "script",
    [
        "DROP TABLE messages",
        "DROP TABLE topics",
        "DROP TABLE messages; CREATE VIEW messages AS SELECT 1 AS id, 1 AS topic_id, 5 AS timestamp, x'00' AS data",
        "UPDATE messages SET timestamp = 'noon'",
        "UPDATE messages SET timestamp = 1.5",
        "ALTER TABLE messages RENAME COLUMN data TO other",
        "DROP TABLE messages; CREATE TABLE messages(topic_id, timestamp INTEGER PRIMARY KEY, data) WITHOUT ROWID",
    ],
)
def test_a_database_of_another_kind_is_refused(tmp_path: Path, script: str) -> None:
    write_db3(tmp_path / "bag.db3", [("/chatter", CHATTER, _said("a"))])
    with closing(sqlite3.connect(tmp_path / "bag.db3")) as database:
        database.executescript(script)
    with pytest.raises(DataError, match="is no ROS 2 bag"):
        open_log(tmp_path / "bag.db3")


def test_a_query_that_would_never_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from drivetrain.data.sources import bag_db3

    write_db3(tmp_path / "bag.db3", [("/chatter", CHATTER, _said(*map(str, range(3000))))])
    assert len(open_log(tmp_path / "bag.db3").streams["/chatter"]) == 3000
    monkeypatch.setattr(bag_db3, "_STEPS_PER_BYTE", -100)
    with pytest.raises(DataError, match="interrupted"):
        open_log(tmp_path / "bag.db3")


def test_messages_larger_than_a_block_and_read_in_any_order(tmp_path: Path) -> None:
    words = [str(i) * size for i, size in enumerate([10, 3 << 20, 5, 1 << 20, 1, 1 << 21])]
    write_db3(tmp_path / "bag.db3", [("/chatter", CHATTER, _said(*words))])
    stream = open_log(tmp_path / "bag.db3").streams["/chatter"]
    for i in (5, 0, 3, 1, 4, 2):
        assert stream.read(i).decoded == {"data": words[i]}  # type: ignore[attr-defined]


def test_a_folder_with_neither_is_no_bag(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(DataError) as caught:
        open_log(tmp_path)
    assert "rosbag2: it has no metadata.yaml, and no .mcap or .db3 files" in caught.value.hint


def test_nothing_is_written_beside_a_bag(tmp_path: Path) -> None:
    folder = tmp_path / "bag"
    folder.mkdir()
    write_db3(folder / "bag_0.db3", [("/chatter", CHATTER, _said("a"))])
    before = sorted(p.name for p in folder.iterdir())
    folder.chmod(0o555)
    _heard(folder)
    folder.chmod(0o755)
    assert sorted(p.name for p in folder.iterdir()) == before
    shutil.rmtree(folder)


def test_json_in_a_folder_of_mcap_files(tmp_path: Path) -> None:
    write_mcap(tmp_path / "bag_0.mcap", [("/chatter", "", "json", [(1, as_json(data="a"))])])
    log = open_log(tmp_path)
    assert (log.source, log.name) == ("rosbag2", tmp_path.name)
    assert _heard(tmp_path) == ["a"]
