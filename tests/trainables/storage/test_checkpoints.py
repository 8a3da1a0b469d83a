import pathlib
import re

import pytest

from trainables.storage.checkpoints import Checkpoints
from trainables.storage.object_store import Storage, draft_of

NAME = "0a1b2c/6f00/adam-explore-00003-000-0"


@pytest.fixture
def checkpoints(tmp_path) -> Checkpoints:
    return Checkpoints(str(tmp_path / "storage"))


@pytest.mark.parametrize("form", ["{}", "{}/", "file://{}"])
def test_what_was_saved_is_loaded(tmp_path, form):
    storage = form.format(tmp_path)
    for content in (b"", bytes(range(256)) * 1000):
        Checkpoints(storage).save(NAME, content)
        assert Checkpoints(storage).load(NAME) == content
        assert (tmp_path / NAME).stat().st_size == len(content) + 4


def test_a_path_may_hold_any_character_and_a_name_any_ending(tmp_path):
    checkpoints = Checkpoints(str(tmp_path / "50 % of #1? é"))
    checkpoints.check()
    checkpoints.save("state.gz", b"not compressed")
    assert checkpoints.load("state.gz") == b"not compressed"
    assert (tmp_path / "50 % of #1? é" / "state.gz").read_bytes()[4:] == b"not compressed"


def test_the_last_content_counts(checkpoints, tmp_path):
    checkpoints.save(NAME, b"a long one")
    checkpoints.save(NAME, b"short")
    assert checkpoints.load(NAME) == b"short"
    assert [path.name for path in (tmp_path / "storage" / NAME).parent.iterdir()] == [NAME.rpartition("/")[2]]


def test_a_name_without_content_is_none(checkpoints):
    assert checkpoints.load(NAME) is None
    checkpoints.save(NAME, b"content")
    assert checkpoints.load(NAME + "1") is None
    assert checkpoints.load(NAME.rpartition("/")[0]) is None  # a folder
    assert checkpoints.load(NAME + "/below") is None


def test_every_flipped_bit_and_every_missing_end_is_noticed(checkpoints, tmp_path):
    path = tmp_path / "storage" / NAME
    checkpoints.save(NAME, b"content")
    stored = path.read_bytes()
    for bit in range(8 * len(stored)):
        damaged = bytearray(stored)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert checkpoints.load(NAME) is None
    for length in range(len(stored)):
        path.write_bytes(stored[:length])
        assert checkpoints.load(NAME) is None
    path.write_bytes(stored + b"\0")
    assert checkpoints.load(NAME) is None
    path.write_bytes(stored)
    assert checkpoints.load(NAME) == b"content"


def test_what_a_killed_writer_leaves_is_neither_read_nor_kept(checkpoints, tmp_path):
    checkpoints.save(NAME, b"old")
    draft = pathlib.Path(draft_of(str(tmp_path / "storage" / NAME)))
    draft.write_bytes(b"hal")
    assert checkpoints.load(NAME) == b"old"
    checkpoints.save(NAME, b"new")
    assert checkpoints.load(NAME) == b"new"
    assert not draft.exists()
    draft.write_bytes(b"hal")
    checkpoints.discard(NAME)
    assert not draft.exists()


def test_a_reader_never_sees_half_of_a_checkpoint(checkpoints, tmp_path):
    """The file under the name is replaced, not rewritten: who has it open reads the old one to its end."""
    checkpoints.save(NAME, b"old")
    with (tmp_path / "storage" / NAME).open("rb") as reader:
        checkpoints.save(NAME, b"new")
        assert reader.read()[4:] == b"old"


def test_discarding_is_final_and_may_be_repeated(checkpoints):
    checkpoints.discard(NAME)
    checkpoints.save(NAME, b"content")
    for _ in range(2):
        checkpoints.discard(NAME)
        assert checkpoints.load(NAME) is None


ALLOWED = (
    "The storage of checkpoints must be an absolute path or a URI that starts with file://, s3:// or gs://"  # and so on
)


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("shared/folder", f"{ALLOWED}, got the relative path 'shared/folder'; give it in full."),
        ("~/folder", f"{ALLOWED}, got the relative path '~/folder'; give it in full."),
        ("", f"{ALLOWED}, got the relative path ''; give it in full."),
        ("hdfs://host/folder", f"{ALLOWED} and names a folder, got 'hdfs://host/folder'; choose one of these."),
        ("ftp://host/folder", f"{ALLOWED} and names a folder, got 'ftp://host/folder'; choose one of these."),
        ("s3://", f"{ALLOWED} and names a folder, got 's3://'; choose one of these."),
        ("file:///", f"{ALLOWED} and names a folder, got 'file:///'; choose one of these."),
        ("file://host/folder", f"{ALLOWED}, got 'file://host/folder': Unsupported hostname"),
        ("file:///with space", f"{ALLOWED}, got 'file:///with space': Cannot parse URI"),
        ("s3://bucket/folder?colour=red", f"{ALLOWED}, got 's3://bucket/folder?colour=red': Unexpected query"),
    ],
)
def test_a_storage_that_not_every_worker_could_reach_is_refused_in_one_line(storage, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as refusal:
        Checkpoints(storage)
    assert "\n" not in str(refusal.value)


def test_a_checked_storage_is_there_and_empty(checkpoints, tmp_path):
    checkpoints.check()
    assert list((tmp_path / "storage").iterdir()) == []


def test_a_storage_that_cannot_be_written_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    checkpoints = Checkpoints(str(tmp_path / "file" / "storage"))
    expected = (
        "The storage of checkpoints must be a folder that can be written, read and deleted from, "
        f"got '{tmp_path}/file/storage': "
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}.*; choose another or mend") as refusal:
        checkpoints.check()
    assert "\n" not in str(refusal.value)


def test_a_storage_that_forgets_is_refused(checkpoints, monkeypatch):
    monkeypatch.setattr(Storage, "get", lambda *_: b"")
    with pytest.raises(ValueError, match="what was written could not be read back; choose another"):
        checkpoints.check()
