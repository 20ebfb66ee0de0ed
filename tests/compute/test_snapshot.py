"""Code travels whole, quickly where little has changed, and never out of its folder."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivetrain.compute.snapshot import Entry, Manifest, decode_manifest, take, unpack
from drivetrain.compute.snapshot import unchanged as unchanged_module
from drivetrain.compute.snapshot.listing import begin_listing, root_and_folder
from drivetrain.compute.snapshot.manifest import check_lock, link_stays_inside, stays_inside
from drivetrain.compute.snapshot.unchanged import unchanged
from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.units import NS_PER_S
from drivetrain.store import make_home


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DRIVETRAIN_HOME", str(tmp_path / "home"))
    folder = tmp_path / "code"
    (folder / "package").mkdir(parents=True)
    (folder / "train.py").write_text("print(1)\n")
    (folder / "package" / "model.py").write_text("x = 1\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "latest").symlink_to("package/model.py")
    return folder


def contents(manifest: Manifest, folder: Path) -> dict[str, bytes]:
    return {entry.sha256: (folder / entry.path).read_bytes() for entry in manifest.entries if not entry.link}


def test_what_is_taken_is_what_is_unpacked(code: Path, tmp_path: Path) -> None:
    manifest = decode_manifest(take(code).encoded())
    unpack(manifest, tmp_path / "there", contents(manifest, code).__getitem__)
    assert take(tmp_path / "there").id == manifest.id
    assert (tmp_path / "there" / "run.sh").stat().st_mode & 0o100
    assert (tmp_path / "there" / "latest").read_text() == "x = 1\n"


def test_its_id_changes_with_any_content(code: Path) -> None:
    before = take(code).id
    assert take(code).id == before
    (code / "package" / "model.py").write_text("x = 2\n")
    assert take(code).id != before


def test_git_says_what_belongs_to_it(code: Path) -> None:
    subprocess.run(["git", "init", "-q", str(code)], check=True)
    (code / ".gitignore").write_text("data/\n")
    (code / "data").mkdir()
    (code / "data" / "large.bin").write_bytes(b"0" * 100)
    (code / "new.py").write_text("")
    subprocess.run(["git", "-C", str(code), "add", "train.py", "run.sh"], check=True)
    (code / "run.sh").unlink()
    paths = {entry.path for entry in take(code).entries}
    assert paths == {".gitignore", "train.py", "package/model.py", "latest", "new.py"}


def test_repositories_within_travel_as_submodules_or_as_git_finds_them(code: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "deep").mkdir(parents=True)
    (other / "deep" / "lib.py").write_text("y = 1\n")
    (other / ".gitignore").write_text("*.log\n")
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always", "-C")
    subprocess.run([*git, str(tmp_path), "init", "-q", str(other)], check=True)
    subprocess.run([*git, str(other), "add", "."], check=True)
    subprocess.run([*git, str(other), "commit", "-qm", "one"], check=True)
    subprocess.run([*git, str(tmp_path), "init", "-q", str(code)], check=True)
    subprocess.run([*git, str(code), "submodule", "--quiet", "add", str(other), "third/party"], check=True)
    subprocess.run([*git, str(tmp_path), "clone", "-q", str(other), str(code / "cloned")], check=True)
    for folder in (code / "third" / "party", code / "cloned"):
        (folder / "noise.log").write_text("")
    inside = {f"{folder}/{path}" for folder in ("third/party", "cloned") for path in (".gitignore", "deep/lib.py")}
    own = {".gitmodules", "train.py", "package/model.py", "run.sh", "latest"}
    assert {entry.path for entry in take(code).entries} == own | inside


def test_a_change_within_a_repository_within_has_the_code_taken_anew(
    code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (code, code / "package"):
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
    age(code, monkeypatch)
    assert take(code).id == unchanged_id(code)
    (code / "package" / "model.py").write_text("x = 3\n")
    assert unchanged_id(code) is None


def test_code_that_git_refuses_is_not_sent_with_all_that_git_would_ignore(code: Path) -> None:
    (code / ".git").write_text("gitdir: /nowhere/at/all\n")
    with pytest.raises(UsageError, match=r"git does not say which files .* are code: not a git") as refused:
        take(code)
    assert refused.value.hint == f"git -C {code} status says how to mend it; --here sends no code"


def unchanged_id(code: Path) -> str | None:
    return unchanged(str(code), begin_listing(str(code), without=str(code.parent / "home"))())


def age(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be an hour later than the files' last change."""
    late_ns = time.time_ns() + 3600 * NS_PER_S
    monkeypatch.setattr(unchanged_module, "time", SimpleNamespace(time_ns=lambda: late_ns))


def test_code_that_has_not_changed_keeps_its_id_without_being_read(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    age(code, monkeypatch)
    taken = take(code).id
    assert unchanged_id(code) == taken


@pytest.mark.parametrize("is_git", [False, True])
@pytest.mark.parametrize("change", ["content", "mode", "link", "new", "gone", "renamed"])
def test_whatever_changes_code_has_it_taken_anew(
    change: str, is_git: bool, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_git:
        subprocess.run(["git", "init", "-q", str(code)], check=True)
    age(code, monkeypatch)
    before = take(code).id
    assert unchanged_id(code) == before
    if change == "content":
        status = (code / "train.py").stat()
        (code / "train.py").write_text("print(2)\n")  # as long as before, and by its own word as old
        os.utime(code / "train.py", ns=(status.st_atime_ns, status.st_mtime_ns))
    elif change == "mode":
        (code / "train.py").chmod(0o755)
    elif change == "link":
        (code / "latest").unlink()
        (code / "latest").symlink_to("package/../train.py")
    elif change == "new":
        (code / "package" / "new.py").write_text("")
    elif change == "gone":
        (code / "train.py").unlink()
    else:
        (code / "train.py").rename(code / "trains.py")
    assert unchanged_id(code) is None
    assert take(code).id != before


def test_the_id_of_code_that_changed_a_moment_ago_is_not_trusted(code: Path) -> None:
    take(code)
    assert unchanged_id(code) is None


def test_the_store_is_no_code(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_HOME", str(code / "store"))
    take(code)
    assert not [entry.path for entry in take(code).entries if entry.path.startswith("store")]


@pytest.mark.parametrize("is_git", [False, True])
def test_no_store_is_code_at_any_depth_under_any_name(
    is_git: bool, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = (code / ".drivetrain", code / "package" / ".drivetrain", code / "package" / "work")
    for home in homes:
        monkeypatch.setenv("DRIVETRAIN_HOME", str(home))
        assert make_home() == home
        (home / "token").write_text("secret")
    (code / "package" / ".drivetrain" / ".gitignore").unlink()
    if is_git:
        subprocess.run(["git", "init", "-q", str(code)], check=True)
        subprocess.run(["git", "-C", str(code), "add", "-f", "package/.drivetrain/token"], check=True)
    for home in (*homes, code.parent / "home"):
        monkeypatch.setenv("DRIVETRAIN_HOME", str(home))
        paths = [entry.path for entry in take(code).entries]
        assert paths == ["latest", "package/model.py", "run.sh", "train.py"]


def test_a_store_behind_a_link_is_no_code(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code / "there").mkdir()
    (code / "there" / "token").write_text("secret")
    (code.parent / "link").symlink_to(code / "there")
    monkeypatch.setenv("DRIVETRAIN_HOME", str(code.parent / "link"))
    assert "there/token" not in [entry.path for entry in take(code).entries]


def test_git_add_takes_nothing_of_a_store(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_HOME", str(code / ".drivetrain"))
    take(code)
    subprocess.run(["git", "init", "-q", str(code)], check=True)
    told = subprocess.run(["git", "-C", str(code), "add", "-n", "."], check=True, capture_output=True, text=True).stdout
    assert ".drivetrain" not in told
    assert "train.py" in told


def test_a_folder_that_was_there_before_keeps_what_git_sees_of_it(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_HOME", str(code))
    make_home()
    assert not (code / ".gitignore").exists()


def test_what_is_too_large_is_named(code: Path) -> None:
    (code / "weights.bin").write_bytes(b"0" * 5000)
    with pytest.raises(UsageError, match=r"its largest files: weights.bin \(4.88 KiB"):
        take(code, most_bytes=1000)


def test_a_link_that_leads_out_is_refused(code: Path) -> None:
    (code / "package" / "out").symlink_to("../../secrets")
    with pytest.raises(UsageError, match="package/out leads out of the folder"):
        take(code)


@pytest.mark.parametrize(
    "entry",
    [
        Entry("../x", False, 1, "0" * 64),
        Entry("/etc/passwd", False, 1, "0" * 64),
        Entry("a/../../x", False, 1, "0" * 64),
        Entry("a//b", False, 1, "0" * 64),
        Entry("a\0b", False, 1, "0" * 64),
        Entry("a", False, 1, "../../x"),
        Entry("a", False, -1, "0" * 64),
        Entry("a", False, 0, "0" * 64, "../x"),
        Entry("a", False, 0, "0" * 64, "/etc"),
    ],
)
def test_a_manifest_that_leads_out_of_its_folder_is_refused(entry: Entry) -> None:
    with pytest.raises(DataError, match="snapshot"):
        decode_manifest(Manifest((entry,)).encoded())


def test_a_file_behind_a_link_is_refused() -> None:
    entries = (Entry("a", False, 0, "0" * 64, "b"), Entry("a/x", False, 1, "0" * 64))
    with pytest.raises(DataError, match="lies behind a link"):
        decode_manifest(Manifest(entries).encoded())


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(["..", ".", "a", "b", ""]), min_size=1, max_size=6).map("/".join))
def test_paths_and_links_that_are_let_through_stay_inside(path: str) -> None:
    root = Path("/root/folder")
    if stays_inside(path):
        assert root in Path(f"/root/folder/{path}").resolve().parents
    if link_stays_inside("deep/link", path):
        resolved = Path(f"/root/folder/deep/{path}").resolve()
        assert resolved == root or root in resolved.parents


def test_a_wrong_content_leaves_nothing(code: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not what was sent"):
        unpack(take(code), tmp_path / "there", lambda _: b"other")
    assert not (tmp_path / "there").exists()


def test_a_folder_that_is_the_store_itself_is_not_sent(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_HOME", str(code))
    with pytest.raises(UsageError, match="is the store, which is no code"):
        take(code)


def test_an_empty_folder_names_the_way_without_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIVETRAIN_HOME", str(tmp_path / "home"))
    (tmp_path / "code").mkdir()
    with pytest.raises(UsageError) as told:
        take(tmp_path / "code")
    assert "--here" in told.value.hint


def test_a_folder_that_was_removed_under_us_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UsageError, match="the folder that you stand in has been removed"):
        root_and_folder()
    monkeypatch.delenv("DRIVETRAIN_HOME", raising=False)
    with pytest.raises(UsageError, match="the folder that you stand in has been removed"):
        make_home()


@pytest.mark.parametrize(
    ("folder", "lock", "is_there"),
    [
        ("", "a.lock", True),
        ("", "./a.lock", True),
        ("", "b.lock", False),
        ("sub", "a.lock", False),
        ("sub", "c.lock", True),
        ("", "sub/c.lock", True),
        ("", "sub", False),
        ("", "linked.lock", True),
        ("", "linked/c.lock", True),
        ("sub", "linked/c.lock", True),
    ],
)
def test_a_lock_file_that_is_not_among_the_code_is_told(tmp_path: Path, folder: str, lock: str, is_there: bool) -> None:
    (tmp_path / "sub").mkdir()
    for path in ("a.lock", "sub/c.lock"):
        (tmp_path / path).touch()
    (tmp_path / "linked.lock").symlink_to("a.lock")
    (tmp_path / "linked").symlink_to("sub")
    (tmp_path / "sub" / "linked").symlink_to(".")
    manifest = take(tmp_path)
    if is_there:
        check_lock(manifest, folder, lock)
    else:
        with pytest.raises(UsageError, match="there is no such file in the code"):
            check_lock(manifest, folder, lock)


def test_a_link_to_a_folder_travels_from_a_folder_without_git(tmp_path: Path) -> None:
    (tmp_path / "code" / "sub").mkdir(parents=True)
    (tmp_path / "code" / "sub" / "word").write_text("x")
    (tmp_path / "code" / "linked").symlink_to("sub")
    manifest = decode_manifest(take(tmp_path / "code").encoded())
    assert [entry.path for entry in manifest.entries] == ["linked", "sub/word"]
