"""What points on a film come to: in millimetres where its file says so, each direction by its own spacing."""

import dataclasses
import json

import numpy as np
import pytest

from lungspot.errors import InputError
from lungspot.report import Review, measure, measurement_from_json, measurement_to_json, report_text


@pytest.fixture
def film(make):
    """A film of 200 x 300 whose pixels get darker to the right, by one 16-bit step a column."""
    made = make(boxes=()).radiograph
    greys = np.broadcast_to(np.arange(200, dtype=np.float32) / 65535, (300, 200)).copy()

    def of(spacing=None, aspect=(1, 1)):
        return dataclasses.replace(made, pixels=greys, pixel_spacing_mm=spacing, pixel_aspect=aspect)

    return of


MEASURES = [
    ("length", [(10, 10), (40, 50)], None, (1, 1), 50.0, "px"),
    ("length", [(10, 10), (40, 50)], (0.2, 0.1), (2, 1), (9 + 64) ** 0.5, "mm"),  # 3 mm across, 8 mm down
    ("length", [(10, 10), (10, 50)], None, (2, 1), 80.0, "px"),  # pixels twice as high as wide
    ("angle", [(50, 10), (10, 10), (10, 60)], None, (1, 1), 90.0, "deg"),
    ("angle", [(20, 10), (10, 10), (20, 20)], (0.1, 0.1), (1, 1), 45.0, "deg"),
    ("angle", [(20, 10), (10, 10), (20, 20)], (0.2, 0.1), (2, 1), 63.434949, "deg"),  # what is seen, not what is stored
    ("angle", [(20, 10), (10, 10), (0, 10)], None, (1, 1), 180.0, "deg"),
    ("angle", [(20, 10), (10, 10), (30, 10)], None, (1, 1), 0.0, "deg"),
    ("region", [(30, 40), (10, 10)], None, (1, 1), 600.0, "px2"),
    ("region", [(10, 10), (30, 40)], (0.2, 0.1), (2, 1), 12.0, "mm2"),
    ("cardiothoracic_ratio", [(70, 150), (130, 150), (10, 200), (190, 200)], (0.2, 0.1), (2, 1), 1 / 3, "1"),
]


@pytest.mark.parametrize(("kind", "points", "spacing", "aspect", "value", "unit"), MEASURES)
def test_points_come_to_what_they_should(film, kind, points, spacing, aspect, value, unit):
    made = measure(kind, points, film(spacing, aspect))
    assert (made.value, made.unit) == (pytest.approx(value), unit)
    again = measurement_from_json(json.loads(json.dumps(measurement_to_json(made))))
    assert dataclasses.replace(again, value=0, greys=None, widths=None) == dataclasses.replace(
        made, value=0, greys=None, widths=None
    )
    assert again.value == pytest.approx(made.value, abs=1e-4)


def test_the_greys_of_a_region_are_those_of_the_pixels_whose_centres_lie_in_it(film):
    step = 100 / 65535
    for pixels in (None, np.broadcast_to(np.arange(200, dtype=np.uint16), (300, 200))):
        greys = measure("region", [(12.4, 10), (9.6, 20)], film(), pixels=pixels).greys
        assert (greys.least, greys.most) == (pytest.approx(10 * step), pytest.approx(11 * step))
        assert (greys.mean, greys.deviation) == (pytest.approx(10.5 * step), pytest.approx(0.5 * step))
        thin = measure("region", [(10.1, 10), (10.3, 10.2)], film(), pixels=pixels).greys
        assert thin.least == thin.most == thin.mean == pytest.approx(10 * step)
        edge = measure("region", [(199.9, 299.8), (200, 300)], film(), pixels=pixels).greys
        assert edge.mean == pytest.approx(199 * step)


def test_the_ratio_keeps_both_widths(film):
    made = measure("cardiothoracic_ratio", MEASURES[-1][1], film((0.2, 0.1)), by="model")
    assert (made.widths.heart, made.widths.chest, made.widths.unit) == (pytest.approx(6), pytest.approx(18), "mm")
    assert measurement_to_json(made)["by"] == "model"


@pytest.mark.parametrize(
    ("kind", "points", "by"),
    [
        ("length", [(10, 10)], "reader"),
        ("length", [(10, 10), (10, 10)], "reader"),
        ("length", [(10, 10), (201, 10)], "reader"),
        ("length", [(10, 10), (float("nan"), 10)], "reader"),
        ("length", [(10, 10), (20, 10)], "nobody"),
        ("angle", [(10, 10), (10, 10), (20, 20)], "reader"),
        ("region", [(10, 10), (20, 10)], "reader"),
        ("cardiothoracic_ratio", [(10, 10), (20, 10), (30, 10), (30, 10)], "reader"),
        ("area", [(10, 10), (20, 20)], "reader"),
    ],
)
def test_what_measures_nothing_is_refused(film, kind, points, by):
    with pytest.raises(InputError, match="BAD_VALUE"):
        measure(kind, points, film(), by=by)


def test_what_is_no_measurement_is_refused():
    for value in ({}, {"kind": "length", "points": [[1, 2], [3, 4]]}, {"kind": "length", "points": 3}):
        with pytest.raises(InputError):
            measurement_from_json(value)


def test_a_report_says_what_was_measured_in_its_language(film, make):
    result = dataclasses.replace(make(boxes=()), radiograph=film((0.2, 0.1), (2, 1)))
    kinds = ("length", "length", "angle", "region", "cardiothoracic_ratio")
    rows = [MEASURES[1], MEASURES[1], MEASURES[5], MEASURES[9], MEASURES[-1]]
    made = [measure(kind, row[1], result.radiograph) for kind, row in zip(kinds, rows, strict=True)]
    review = Review("r", measurements=tuple(made))
    english, german = (report_text(result, review=review, language=language) for language in ("en", "de"))
    assert english.measurements == (
        "Distance 1: 8.5 mm. Distance 2: 8.5 mm. Angle 1: 63.4°. Region 1: mean grey 0.0, standard deviation 0.0, "
        "from 0.0 to 0.0 (per cent of the range of the film), 0.1 cm²."
    )
    assert german.measurements.startswith("Strecke 1: 8,5 mm. Strecke 2: 8,5 mm. Winkel 1: 63,4°. Bereich 1: mittlerer")
    assert dict(english.findings)["Heart and mediastinum"].startswith("Cardiothoracic ratio 0.33, measured by hand.")
    assert "Herz-Thorax-Quotient 0,33, von Hand gemessen." in german.text
    assert f"\nMeasurements: {english.measurements}\n" in english.text
    assert "Measurements:" not in report_text(result, review=Review("r")).text
