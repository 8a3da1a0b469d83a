"""Drafts: files and folders get their names together, or nothing is left of them."""

import pytest

from analysis.drafts import drafts


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_files_get_their_names_at_the_end(tmp_path):
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    paths[0].write_text("old")
    with drafts(paths) as found:
        for draft in found:
            draft.write_text("new")
        assert paths[0].read_text() == "old"
        assert not paths[1].exists()
    assert [path.read_text() for path in paths] == ["new", "new"]
    assert names(tmp_path) == ["a.txt", "b.txt"]


def test_a_folder_gets_its_name_with_all_that_is_in_it(tmp_path):
    with drafts([tmp_path / "folder"]) as [draft]:
        (draft / "inner").mkdir(parents=True)
        (draft / "inner" / "file").write_text("text")
    assert names(tmp_path) == ["folder", "folder/inner", "folder/inner/file"]


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
def test_nothing_is_left_where_the_block_raises(tmp_path, error):
    paths = [tmp_path / "file", tmp_path / "folder", tmp_path / "not begun"]
    paths[0].write_text("old")

    def write():
        with drafts(paths) as [file, folder, _]:
            file.write_text("new")
            folder.mkdir()
            (folder / "inner").write_text("half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert names(tmp_path) == ["file"]
    assert paths[0].read_text() == "old"


def test_a_name_that_cannot_be_had_leaves_no_draft(tmp_path):
    (tmp_path / "taken" / "inner").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"), drafts([tmp_path / "taken"]) as [draft]:
        draft.write_text("text")
    assert names(tmp_path) == ["taken", "taken/inner"]


def test_a_draft_is_no_file_that_readers_look_for(tmp_path):
    with drafts([tmp_path / "part.parquet"]) as [draft]:
        draft.write_text("text")
        assert list(tmp_path.glob("*.parquet")) == []
        assert draft.name.startswith(".")
