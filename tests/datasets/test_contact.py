"""The contact sheet: boxes where they belong, in the colour of their reader."""

import numpy as np
import pytest
from PIL import Image

from lungspot.datasets.contact import COLOURS, contact_sheet, films_to_draw
from lungspot.errors import InputError
from lungspot.findings import Box, Finding, Frame, Reading, State
from lungspot.formats.case import Case

FRAME = Frame(200, 100)
GAP = 10


def boxed(reader, *corners, label="effusion"):
    return Reading.of_boxes(reader, FRAME, [(label, Box(*four)) for four in corners], (label,))


@pytest.fixture
def film(tmp_path):
    """A black film of 100 x 100 pixels whose native frame is 200 x 100: a squashed file."""
    path = tmp_path / "1.png"
    Image.new("L", (100, 100), 0).save(path)
    return path


def case(*readings, image=None, frame=FRAME):
    return Case("film 1", "set", "p1", readings, image=image, frame=frame)


def colour_at(sheet, x, y):
    return "#{:02X}{:02X}{:02X}".format(*sheet.getpixel((x, y)))


def test_boxes_stand_in_the_shape_of_the_native_frame(film):
    """A cell of 400 shows the frame of 200 x 100 at 400 x 200: twice the native pixels."""
    sheet = contact_sheet([case(boxed("R1", (50, 40, 150, 90)), image=film)], cell=400)
    for x, y in ((100, 80), (299, 80), (100, 179), (299, 179), (200, 179)):  # corners, and the lower side
        assert colour_at(sheet, x + GAP, y + GAP) == COLOURS[0]
    assert colour_at(sheet, 200 + GAP, 130 + GAP) == "#000000"  # inside: the film
    assert colour_at(sheet, 200 + GAP, 210 + GAP) == "#1B1B1B"  # below the film: the paper


def test_a_film_whose_pixels_are_not_square_is_stretched_and_its_boxes_with_it(tmp_path):
    path = tmp_path / "1.tiff"
    Image.new("L", (200, 100), 0).save(path, dpi=(200, 100))
    sheet = contact_sheet([case(boxed("R1", (50, 40, 150, 90)), image=path)], cell=400)
    for x, y in ((100, 160), (299, 160), (100, 359), (299, 359)):
        assert colour_at(sheet, x + GAP, y + GAP) == COLOURS[0]
    assert colour_at(sheet, 200 + GAP, 390 + GAP) == "#000000"  # the film fills the cell


def test_each_reader_has_a_colour_and_a_place_in_the_legend(film):
    readings = [boxed("R2", (10, 40, 60, 90)), boxed("R1", (100, 40, 150, 90), (120, 50, 190, 95))]
    sheet = contact_sheet([case(*readings, image=film)], cell=400)
    assert colour_at(sheet, 2 * 190 - 1 + GAP, 2 * 70 + GAP) == COLOURS[0]  # R1 drew more
    assert colour_at(sheet, 2 * 10 + GAP, 2 * 70 + GAP) == COLOURS[1]
    assert colour_at(sheet, GAP + 5, sheet.height - 36 + 5) == COLOURS[0]


def test_only_the_labels_asked_for(film):
    readings = [boxed("R1", (10, 40, 60, 90)), boxed("R2", (100, 40, 150, 90), label="edema")]
    sheet = contact_sheet([case(*readings, image=film)], cell=400, labels=["edema"])
    assert colour_at(sheet, 2 * 10 + GAP, 2 * 70 + GAP) == "#000000"
    assert colour_at(sheet, 2 * 100 + GAP, 2 * 70 + GAP) == COLOURS[0]


def test_names_do_not_cover_each_other(film):
    """Two boxes that begin together: two fields of names, one above the other."""
    readings = [boxed("R1", (50, 40, 150, 90)), boxed("R2", (50, 40, 140, 80))]
    pixels = np.asarray(contact_sheet([case(*readings, image=film)], cell=400))
    for colour in COLOURS[:2]:
        wanted = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)])
        field = (pixels[GAP : GAP + 200] == wanted).all(axis=2)
        assert field.sum(axis=1).max() > 60  # a row of the name's field
        assert field.sum() > 1500


def test_a_sheet_has_room_for_every_film(film):
    three = [case(image=film)] * 3
    assert contact_sheet(three, columns=2, cell=200).size == (2 * 210 + 10, 2 * 282 + 10 + 36)
    assert contact_sheet(three, columns=9, cell=200).width == 3 * 210 + 10


def test_films_that_are_not_there_or_not_readable_are_said_so(tmp_path):
    (tmp_path / "2.png").write_bytes(b"half a film")
    cases = [case(boxed("R1", (50, 40, 150, 90))), case(image=tmp_path / "2.png"), case(image=tmp_path / "no.png")]
    sheet = contact_sheet(cases, cell=200)
    assert all(colour_at(sheet, GAP + 210 * n + 3, GAP + 5) == "#444444" for n in range(3))


def test_what_has_no_box_is_said_below(film):
    said = Reading("nih", (Finding("edema"),), {"edema": State.PRESENT})
    with_words, bare = (np.asarray(contact_sheet([case(*r, image=film)], cell=200)) for r in ((said,), ()))
    second_line = slice(GAP + 200 + 2 + 18, GAP + 200 + 2 + 36)
    assert (with_words[second_line] != bare[second_line]).any()
    assert (with_words[: GAP + 200] == bare[: GAP + 200]).all()


def test_a_case_without_frame_and_a_fused_score(film):
    fused = Reading("wbf", (Finding("effusion", Box(5, 50, 50, 90), 0.667),), {"effusion": State.BOXED}, FRAME)
    sheet = contact_sheet([case(image=film, frame=None), case(fused, image=film)], cell=200)
    assert colour_at(sheet, GAP + 210 + 5, GAP + 70) == COLOURS[0]


@pytest.mark.parametrize("options", [{"columns": 0}, {"cell": 50}])
def test_refusals(film, options):
    with pytest.raises(InputError, match="a sheet of 1 films"):
        contact_sheet([case(image=film)], **options)
    with pytest.raises(InputError, match="a sheet of 0 films"):
        contact_sheet([])


def test_films_with_boxes_are_worth_drawing_and_of_those_the_ones_that_are_here(film):
    def named(name, *readings, image=film):
        return Case(name, "set", name, readings, image=image, frame=FRAME)

    empty = Reading("R1", (), {"effusion": State.ABSENT}, FRAME)
    plain, gone = named("plain", empty), named("gone", boxed("R1", (1, 1, 9, 9)), image=None)
    one = named("one", boxed("R1", (1, 1, 9, 9)))
    other = named("other", boxed("R1", (1, 1, 9, 9), label="edema"))
    everything = [plain, gone, one, other]

    def chosen(cases, **options):
        return sorted(case.id for case in films_to_draw(cases, **options))

    assert chosen(everything) == ["one", "other"]
    assert chosen(everything, labels=["edema"]) == ["other"]
    assert chosen([plain, gone]) == ["gone"]  # the sheet says that there is no film
    assert chosen([plain]) == ["plain"]
    assert chosen([plain], labels=["edema"]) == []
    assert [case.id for case in films_to_draw(everything, ids=["one", "plain"], count=1)] == ["plain", "one"]


def test_which_films_are_drawn_depends_on_the_seed_alone(film):
    cases = [Case(str(number), "set", "p", (boxed("R1", (1, 1, 9, 9)),), film, FRAME) for number in range(30)]
    first, again, other = (films_to_draw(cases, count=5, seed=seed) for seed in (0, 0, 1))
    assert first == again != other
    assert len(first) == 5
    assert len(films_to_draw(cases, count=99)) == 30
