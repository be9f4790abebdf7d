"""With which earlier film one is compared: a real film twice, the second time moved, as of one patient on two days."""

import zipfile

import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread

from lungspot.detect import load_detector
from lungspot.errors import FilmError
from lungspot.images import read_header
from lungspot.pipeline import Film, analyze
from lungspot.priors import EarlierFilms, belong_together
from lungspot.report import Refusal, dicom_bytes, dicom_results, read_sr
from lungspot.sources import films_in


@pytest.fixture(scope="module")
def detector():
    return load_detector()


@pytest.fixture
def film(rg1, tmp_path):
    """A function that writes the film, moved down and to the right by so many pixels, on a day; returns its path."""

    def write(name, uid, day, move=0, **facts):
        dataset = dcmread(rg1["UNCR"])
        pixels = dataset.pixel_array
        moved = np.pad(pixels, ((move, 0), (move, 0)), mode="edge")[: dataset.Rows, : dataset.Columns]
        dataset.PixelData = moved.tobytes()
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid
        dataset.StudyDate = dataset.AcquisitionDate = dataset.ContentDate = day
        for keyword, value in facts.items():
            setattr(dataset, keyword, value)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        dataset.save_as(tmp_path / name)
        return tmp_path / name

    return write


def priors(*paths, detector, **options):
    return EarlierFilms(films_in(map(str, paths)), detector, **options)


def compared(earlier, path, detector):
    return earlier.before(analyze(path, detector), Film(str(path), lambda: path))


def test_the_newest_earlier_film_of_the_patient_counts(film, tmp_path, detector):
    film("archive/first.dcm", "2.25.1", "20250101")
    film("archive/second.dcm", "2.25.2", "20250201")
    film("archive/stranger.dcm", "2.25.3", "20250301", PatientID="somebody else")
    film("archive/later.dcm", "2.25.4", "20250501")
    now = film("now.dcm", "2.25.5", "20250315", move=70)
    before, words = compared(priors(tmp_path / "archive", detector=detector), now, detector)
    assert (before.film, before.days, words) == ("2.25.2", 42, "")
    assert before.tracking


def test_of_reports_of_one_film_that_counts_whose_uids_go_on(film, tmp_path, detector):
    """One may be made without the film before it, whatever the order of their names."""
    first, second = film("first.dcm", "2.25.1", "20250101"), film("second.dcm", "2.25.2", "20250201")
    result, header = analyze(second, detector), read_header(second)
    chain, words = compared(priors(first, detector=detector), second, detector)
    assert words == ""
    for name, before in (("a.dcm", chain), ("z.dcm", None)):
        (tmp_path / name).write_bytes(dicom_bytes(dicom_results(header, result, before=before)[0]))
    chained, alone = ({uid for uid, _ in read_sr(tmp_path / name).tracking} for name in ("a.dcm", "z.dcm"))
    now = film("now.dcm", "2.25.5", "20250315", move=70)
    reports = [tmp_path / "a.dcm", tmp_path / "z.dcm"]
    for order in (reports, reports[::-1]):
        earlier = priors(second, detector=detector, results=[*order, tmp_path / "gone.dcm", second])
        before, _ = compared(earlier, now, detector)
        assert set(before.tracking.values()) & (chained - alone)
    among_the_films, _ = compared(priors(second, *reports, detector=detector), now, detector)
    assert among_the_films.tracking == before.tracking


def test_what_cannot_be_read_is_a_fault_beside_films_and_an_error_alone(film, tmp_path, detector):
    then = film("then.dcm", "2.25.2", "20250201")
    earlier = priors(then, tmp_path / "typo.dcm", detector=detector)
    assert [(fault.code, fault.where) for fault in earlier.faults] == [("NOT_FOUND", str(tmp_path / "typo.dcm"))]
    with pytest.raises(FilmError, match="NOT_FOUND"):
        priors(tmp_path / "typo.dcm", detector=detector)
    report = tmp_path / "report.dcm"
    report.write_bytes(dicom_bytes(dicom_results(read_header(then), analyze(then, detector))[0]))
    with pytest.raises(FilmError, match="no earlier film") as error:
        priors(report, detector=detector)
    assert error.value.where == ""


def test_what_may_not_be_compared_is_said_in_words(film, tmp_path, detector):
    now = film("now.dcm", "2.25.5", "20250315")
    other = film("other.dcm", "2.25.2", "20250201", PatientID="somebody else")
    assert compared(priors(other, detector=detector), now, detector) == (None, "another patient")
    whole = film("whole.dcm", "2.25.3", "20250201").read_bytes()
    (tmp_path / "odd.dcm").write_bytes(whole[:-1000])  # its header can be read, and not its pixels
    before, words = compared(priors(tmp_path / "odd.dcm", detector=detector), now, detector)
    assert before is None
    assert words.startswith("it cannot be read: ")
    refused = Refusal("x", FilmError("NOT_FOUND", "x", "gone"))
    assert priors(other, detector=detector).before(refused, Film("x", lambda: now)) == (None, "")


def test_pictures_say_nothing_and_are_compared_where_a_person_vouches(film, rg1, tmp_path, detector):
    pixels = dcmread(rg1["UNCR"]).pixel_array.astype(float)
    for name, move in (("then.png", 0), ("now.png", 60)):
        grey = np.pad(pixels, ((move, 0), (move, 0)), mode="edge")[: len(pixels)] / pixels.max() * 255
        Image.fromarray(255 - grey.astype(np.uint8)).save(tmp_path / name)
    then, now = tmp_path / "then.png", tmp_path / "now.png"
    assert compared(priors(then, detector=detector), now, detector) == (None, "nothing says whose it is")
    before, words = compared(priors(then, detector=detector, together=True), now, detector)
    assert before is not None
    assert words.startswith("the films do not say whose they are")
    two = priors(then, film("dated.dcm", "2.25.1", "20250101"), detector=detector, together=True)
    assert compared(two, now, detector)[0] is None


def test_who_names_one_film_and_no_folder_vouches_for_both(tmp_path):
    (tmp_path / "folder").mkdir()
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as archive:
        archive.writestr("a.dcm", b"x")
    one, two = (list(films_in(["a.dcm"] * number)) for number in (1, 2))
    assert belong_together(one, ["b.dcm"])
    assert belong_together(one, ["b.dcm", "c.dcm"])  # which then counts is said by how many films there are
    assert not belong_together(two, ["b.dcm"])
    assert not belong_together(one, [str(tmp_path / "folder")])
    assert not belong_together(one, ["b.dcm", str(tmp_path / "films.zip")])
