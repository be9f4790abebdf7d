import os
from pathlib import Path

import pytest

from lungspot.images.files import DICOM_SUFFIXES, IMAGE_SUFFIXES, has_suffix, is_hidden, list_files, walk


@pytest.fixture
def tree(tmp_path):
    """Films, hidden files and folders, links to a file, to a folder and to nothing."""
    for name in ("c.png", "b/z.DCM", "b/a.txt", "b.png", ".DS_Store", ".git/x.png", "b/._z.dcm", "__MACOSX/y.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "d.png").symlink_to("c.png")
    (tmp_path / "e.png").symlink_to("nowhere")
    (tmp_path / "folder").symlink_to("b")
    return tmp_path


def names(found, root):
    return [path.relative_to(root).as_posix() for path in found]


def test_files_come_sorted_by_the_names_along_their_path(tree):
    assert names(walk(tree), tree) == ["b/a.txt", "b/z.DCM", "b.png", "c.png", "d.png"]
    assert names(walk(tree), tree) == names(sorted(walk(tree)), tree)


def test_suffixes_choose_whatever_the_case_of_their_letters(tree):
    assert names(walk(tree, IMAGE_SUFFIXES), tree) == ["b/z.DCM", "b.png", "c.png", "d.png"]
    assert names(walk(tree, DICOM_SUFFIXES), tree) == ["b/z.DCM"]


def test_a_hidden_folder_that_is_asked_for_is_walked(tree):
    assert names(walk(tree / ".git"), tree) == [".git/x.png"]


@pytest.mark.parametrize(
    ("path", "hidden"),
    [
        ("a.png", False),
        ("./b/a.png", False),  # as tar and some zip programs write
        ("../a.png", False),
        ("a..png", False),
        (".a.png", True),
        ("b/._a.png", True),
        (".trash/b/a.png", True),
        ("...", True),
        ("b/__MACOSX/a.png", True),
        ("__MACOSX.png", False),
    ],
)
def test_what_is_hidden_is_known_by_every_part_of_its_path(path, hidden):
    assert is_hidden(path.split("/")) is hidden


def test_listed_files_are_sorted_and_neither_hidden_nor_folders(tree):
    (tree / "f.png").mkdir()
    assert names(list_files(tree, "*.png"), tree) == ["b.png", "c.png", "d.png", "e.png"]
    assert names(list_files(tree, "*/*"), tree) == ["b/a.txt", "b/z.DCM", "folder/a.txt", "folder/z.DCM"]
    assert names(list_files(tree, "**/*.DCM"), tree) == ["b/z.DCM"]
    assert names(list_files(tree / ".git"), tree) == [".git/x.png"]
    assert list_files(tree / "nowhere") == []


def test_what_is_no_folder_or_may_not_be_read_holds_nothing(tree):
    assert list(walk(tree / "nowhere")) == []
    assert list(walk(tree / "c.png")) == []
    if os.geteuid():
        (tree / "b").chmod(0)
        assert names(walk(tree), tree) == ["b.png", "c.png", "d.png"]


@pytest.mark.parametrize(
    ("name", "film"), [("a.PNG", True), ("a.dic", True), ("a.1.jpeg", True), ("a.txt", False), ("png", False)]
)
def test_a_film_is_known_by_its_suffix(name, film):
    assert has_suffix(Path(name)) is film
