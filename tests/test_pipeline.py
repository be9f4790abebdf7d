import io
import json
import os
import pickle
from dataclasses import replace
from datetime import datetime, timedelta

import jsonschema
import numpy as np
import pydicom
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import lungspot
from lungspot.detect import AnatomyCard, load_detector
from lungspot.errors import FilmError, ModelError
from lungspot.images import Orientation, image_statistics
from lungspot.pipeline import Film, analyze, analyze_all, assess
from lungspot.report import Analysis, Refusal, document, schema


def picture(seed=0, height=120, width=100):
    """Bright noise with one dark corner at the top left: what the generated gate calls upright."""
    pixels = np.random.default_rng(seed).random((height, width)) * 0.3 + 0.65
    pixels[: height // 2, : width // 2] -= 0.45
    return Image.fromarray((pixels * 255).astype(np.uint8))


def saying(result):
    """What a result says, less where its film lay, how long it took and when it was made."""
    value = document(result)
    del value["timing_ms"], value["made"], value["image"]["path"]
    return json.dumps(value)


@pytest.fixture(scope="module")
def detector(model_file):
    return load_detector(model_file)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for seed in range(12):
        picture(seed).save(folder / f"{seed:02d}.png")
    return sorted(folder.iterdir())


def test_one_film_from_file_to_result(detector, films):
    result = analyze(films[0], detector)
    assert result.assessed
    assert result.boxed
    assert len(result.agreement) == len(result.boxed)
    assert set(result.heat) == set(detector.card.labels)
    assert set(result.timings) == {"read", "detect", "explain"}
    assert result.statistics == image_statistics(result.radiograph.pixels)
    assert len(result.features) == 16
    assert datetime.fromisoformat(result.made).utcoffset() == timedelta(0)
    assert result.radiograph.origin.path == str(films[0])
    assert all(result.is_positive(finding) for finding in result.boxed)


def test_a_result_can_be_sent_to_another_process(detector, films):
    result = analyze(films[0], detector)
    again = pickle.loads(pickle.dumps(result))
    assert saying(again) == saying(result)
    assert again.model == result.model
    assert all(np.array_equal(again.heat[label], heat) for label, heat in result.heat.items())
    with pytest.raises(TypeError):
        again.heat["effusion"] = None


def test_a_lower_score_shows_more_boxes(detector, films):
    few, many = analyze(films[0], detector), analyze(films[0], detector, min_score=0.05)
    assert len(many.boxed) > len(few.boxed)
    assert many.probabilities == few.probabilities


def test_alone_in_a_folder_and_from_bytes_a_film_gives_the_same_bytes(model_file, films):
    one, two = load_detector(model_file, threads=1), load_detector(model_file, threads=2)
    alone = [saying(analyze(film, one)) for film in films]
    assert [saying(analyze(film.read_bytes(), two)) for film in films] == alone
    together = analyze_all((Film(str(film), lambda film=film: film) for film in films), two)
    assert [saying(result) for result in together] == alone
    backwards = analyze_all((Film(str(film), lambda film=film: film) for film in reversed(films)), one)
    assert [saying(result) for result in backwards] == alone[::-1]


def test_one_bad_film_never_stops_the_rest_and_order_is_kept(detector, films, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(films[1].read_bytes()[:200])

    def gone():
        raise FilmError("NOT_FOUND", None, "gone")

    given = [
        Film("a", lambda: films[0]),
        Film("b", lambda: bad),
        Film("c", gone),
        Film("d", films[3].read_bytes),
        Film("e", lambda: b"no film"),
    ]
    results = list(analyze_all(given, detector))
    assert [type(result) for result in results] == [Analysis, Refusal, Refusal, Analysis, Refusal]
    assert [result.path for result in results if isinstance(result, Refusal)] == ["b", "c", "e"]
    assert results[2].error.where == "c"
    assert results[4].error.where == "e"
    assert results[3].radiograph.origin.path == "d"


def test_a_turned_film_has_its_boxes_in_the_file_s_frame(detector, films, tmp_path):
    straight = analyze(films[0], detector)
    with Image.open(films[0]) as upright:
        upright.rotate(-90, expand=True).save(tmp_path / "turned.png")
    turned = analyze(tmp_path / "turned.png", detector)
    assert [notice.code for notice in turned.notices] == ["TURNED"]
    assert turned.reading.frame == turned.radiograph.frame
    height = straight.radiograph.frame.height
    for before, after in zip(straight.boxed, turned.boxed, strict=True):
        box = before.box
        assert after.box.corners == pytest.approx((height - box.y1, box.x0, height - box.y0, box.x1))
        assert (after.side, after.zone, after.score) == (before.side, before.zone, before.score)
    for before, after in zip(straight.agreement, turned.agreement, strict=True):
        assert after == pytest.approx(before, abs=0.02)


def test_a_film_that_is_not_assessed_keeps_its_facts_and_nothing_else(detector, tmp_path):
    Image.fromarray(np.full((90, 90), 128, np.uint8)).save(tmp_path / "blank.png")
    result = analyze(tmp_path / "blank.png", detector)
    assert result.reasons == ("BLANK",)
    assert result.radiograph.frame.width == 90
    assert not result.heat
    assert not result.boxed


def test_leaving_early_stops_reading(detector, films):
    opened = []

    def film(path):
        return Film(str(path), lambda: (opened.append(path), path)[1])

    results = analyze_all(map(film, films * 20), detector)
    next(results)
    results.close()
    assert len(opened) < 20


def test_the_real_film_in_all_its_encodings_gives_the_same_findings(model_file, rg1):
    detector = load_detector(model_file)
    first, second = (document(analyze(rg1[name], detector)) for name in ("UNCR", "J2KR"))
    assert first["findings"] == second["findings"]
    assert first["image_scores"] == second["image_scores"]


def told(result):
    """The labels of a result's boxes, and what may differ by rounding: each score and corner."""
    rows = document(result)["findings"]
    numbers = [(row["score"], *(side / 1000 for side in row["box"])) for row in rows]
    return [row["label"] for row in rows], np.array(numbers)


def test_the_shipped_detector_finds_the_same_in_every_encoding_and_polarity(rg1, tmp_path):
    detector = load_detector()
    found = analyze(rg1["UNCR"], detector)
    assert found.assessed
    assert found.boxed
    assert document(analyze(rg1["J2KR"], detector))["findings"] == document(found)["findings"]
    header = pydicom.dcmread(rg1["UNCR"])
    other = np.asarray(header.pixel_array.max() - header.pixel_array, dtype=np.uint16)
    header.PhotometricInterpretation, header.PixelData = "MONOCHROME2", other.tobytes()
    for name in ("WindowCenter", "WindowWidth"):
        if name in header:
            del header[name]
    header.save_as(tmp_path / "mono2.dcm")
    grey = np.rint(found.radiograph.pixels * 65535).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "film.png")
    Image.fromarray(65535 - grey).save(tmp_path / "negative.png")
    labels, numbers = told(found)
    negative = analyze(tmp_path / "negative.png", detector)
    assert [notice.code for notice in negative.notices] == ["GREYS_SWAPPED"]
    for other_file in (analyze(tmp_path / "film.png", detector), negative, analyze(tmp_path / "mono2.dcm", detector)):
        assert told(other_file)[0] == labels
        np.testing.assert_allclose(told(other_file)[1], numbers, atol=2e-3)  # of a score; two pixels of a box


def test_the_shipped_gate_takes_real_chest_films_and_refuses_legs_and_dogs(shared_data):
    detector = load_detector()
    verdicts = {}
    for film in sorted((shared_data / "dicom").glob("*.dcm")):
        try:
            verdicts[film.name] = analyze(film, detector).assessed
        except FilmError as error:
            verdicts[film.name] = error.code
    assert verdicts.pop("dx_pa_966_broken.dcm") == "NOT_DECODABLE"
    others = {name for name in verdicts if name.startswith("not_a_chest")}
    assert len(others) == 6
    assert not any(verdicts[name] is True for name in others)
    assert all(verdicts[name] is True for name in verdicts.keys() - others)


def test_analyze_is_what_the_package_offers():
    assert lungspot.analyze is analyze


EACH = int(os.environ.get("LUNGSPOT_FILMS", "2"))  # of five sources; `make drill` reads a hundred films


@pytest.mark.drill
def test_real_films_give_the_same_bytes_whichever_way_they_come(shared_data):
    """The shipped detector: threads 1 and 2 x alone, in a folder, from a stream as standard input is one."""
    one, two = load_detector(threads=1), load_detector(threads=2)
    sources = ("nih/images", "siim-covid/train", "tbx11k", "tb-extra", "hannover/png")
    films = [film for name in sources for film in sorted((shared_data / name).rglob("*.[jp][pn]g"))[:EACH]]
    assert len(films) == 5 * EACH
    alone = [saying(analyze(film, one)) for film in films]
    assert [saying(analyze(film, two)) for film in films] == alone
    for detector in (one, two):
        assert [saying(analyze(io.BytesIO(film.read_bytes()), detector)) for film in films] == alone
        together = analyze_all((Film(str(film), lambda film=film: film) for film in films), detector)
        assert [saying(result) for result in together] == alone
    assert sum('"assessed"' in text for text in alone) >= 0.9 * len(films)


def with_anatomy(likely):
    """Return a change of the generated network: heart and lungs where they always are, mirrored as ``likely`` says."""
    organs = np.zeros((1, 3, 8, 8), np.float32)
    organs[0, 0, 4:7, 3:6] = organs[0, 1, 1:7, 1:4] = organs[0, 2, 1:7, 5:8] = 1

    def change(model):
        for name, value in (("organs", organs), ("mirrored", np.array([[likely]], np.float32))):
            model.graph.initializer.append(numpy_helper.from_array(value, f"{name}_known"))
            model.graph.node.append(helper.make_node("Identity", [f"{name}_known"], [name]))
            model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape))

    return change


@pytest.mark.parametrize(
    ("likely", "words", "mirrored", "heart_side", "sides"),
    [
        (0.01, ("L", "F"), False, False, {"left", "right"}),
        (0.5, ("L", "F"), None, False, {"left", "right"}),
        (0.99, ("L", "F"), True, True, {None}),  # the heart lies on the wrong side: sides are not said
        (0.99, ("R", "F"), True, False, {"left", "right"}),
        (0.5, ("R", "F"), None, False, {"left", "right"}),
        (0.01, ("R", "F"), False, True, {None}),
        (0.99, (), True, True, {None}),
        (0.01, (), False, False, {None}),  # a heart in its place does not tell where nobody said it
    ],
)
def test_the_heart_bears_out_the_sides_or_they_are_not_said(
    write_model, generated_card, films, tmp_path, likely, words, mirrored, heart_side, sides
):
    card = replace(generated_card, anatomy=AnatomyCard(0.9))
    detector = load_detector(write_model(tmp_path / "m.onnx", card, with_anatomy(likely)))
    film = replace(lungspot.read(films[0]), orientation=Orientation(*words))
    result = assess(film, detector, min_score=0.3)
    assert result.anatomy.mirrored is mirrored
    assert [notice.code for notice in result.notices].count("HEART_SIDE") == heart_side
    found = {finding.side for finding in result.boxed if finding.label == "effusion"} - {"bilateral"}
    assert found == sides
    value = document(result)
    jsonschema.validate(value, schema())
    seen = value["anatomy"]
    assert [lung[0] for lung in seen["lungs"]] == pytest.approx([12.5, 62.5], abs=0.5)
    # Lungs have the sides that findings have; they followed the heart alone once, against the file, and had sides where
    # none was said.
    if sides == {None}:
        assert seen["left_lung"] is seen["right_lung"] is None
    else:
        left, right = seen["lungs"] if words[0] == "R" else seen["lungs"][::-1]
        assert (seen["left_lung"], seen["right_lung"]) == (left, right)
    assert value["anatomy"]["cardiothoracic_ratio"] == pytest.approx(3 / 7, abs=0.05)
    assert value["anatomy"]["heart"] == pytest.approx([37.5, 60, 75, 105], abs=0.5)


def test_the_lungs_say_where_boxes_may_lie(write_model, generated_card, films, tmp_path):
    card = replace(generated_card, anatomy=AnatomyCard(0.9, {}, lungs_trusted=True))
    detector = load_detector(write_model(tmp_path / "m.onnx", card, with_anatomy(0.01)))
    found = [f.box for f in analyze(films[0], detector, min_score=0.01).boxed if f.label != "nodule_mass"]
    assert found
    assert max(box.y1 for box in found) <= 7 / 8 * 120 + 0.5
    doubted = replace(generated_card, anatomy=AnatomyCard(0.9))  # but not where too many true boxes lie outside them
    free = load_detector(write_model(tmp_path / "f.onnx", doubted, with_anatomy(0.01)))
    assert max(f.box.y1 for f in analyze(films[0], free, min_score=0.01).boxed) > 7 / 8 * 120 + 0.5


@pytest.mark.parametrize("rows", [slice(1, 7), slice(4, 8)])
def test_a_lung_that_the_edge_cuts_off_is_warned_of(write_model, generated_card, films, tmp_path, rows):
    organs = np.zeros((1, 3, 8, 8), np.float32)
    organs[0, 1, rows, 1:4] = organs[0, 2, 1:7, 5:7] = 1

    def change(model):
        with_anatomy(0.01)(model)
        known = next(each for each in model.graph.initializer if each.name == "organs_known")
        known.CopyFrom(numpy_helper.from_array(organs, "organs_known"))

    detector = load_detector(
        write_model(tmp_path / "m.onnx", replace(generated_card, anatomy=AnatomyCard(0.9)), change)
    )
    result = analyze(films[0], detector)
    assert ("LUNGS_CUT_OFF" in [notice.code for notice in result.notices]) is (rows.stop == 8)
    value = document(result)
    assert ("LUNGS_CUT_OFF" in [each["code"] for each in value["warnings"]]) is (rows.stop == 8)
    assert ("seems to cut off a lung" in value["report"]["technique"]) is (rows.stop == 8)


def test_organs_and_the_card_belong_together(write_model, generated_card, tmp_path):
    with pytest.raises(ModelError, match="belong together"):
        load_detector(write_model(tmp_path / "m.onnx", generated_card, with_anatomy(0.5)))
    with pytest.raises(ModelError, match="belong together"):
        load_detector(write_model(tmp_path / "n.onnx", replace(generated_card, anatomy=AnatomyCard(0.9))))
