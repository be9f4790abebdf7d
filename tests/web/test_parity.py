"""The page says of a film what Python says: the same input to the network, boxes, scores, verdicts and report."""

import io
import json
import os

import numpy as np
import pytest
from PIL import Image
from tests.detect.test_anatomy import CHESTS, CUT_OFF, NO_CHESTS, likely

from lungspot.detect import is_plausible
from lungspot.findings import Box
from lungspot.images import read

COUNT = int(os.environ.get("LUNGSPOT_PAGE_FILMS", "2"))  # `make drill` takes 200


def picture(pixels, kind="png", **how):
    buffer = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(buffer, kind, **how)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def chest(rg1):
    """The real chest film of pydicom-data, 8 bits, 489 x 461 pixels."""
    film = read(rg1["UNCI"])
    grey = np.asarray(Image.fromarray(film.pixels).resize((489, 461)))
    return (np.clip(grey, 0, 1) * 255).astype(np.uint8)


def colour(grey):
    return np.stack([grey, grey, (grey * 0.7).astype(np.uint8)], axis=-1)


FILMS = {
    "16 bits": lambda grey: picture(grey.astype(np.uint16) * 129 + 7),
    "colour, half transparent": lambda grey: picture(np.dstack([colour(grey), np.full_like(grey, 128)])),
    "a palette": lambda grey: picture(Image.fromarray(grey).convert("P")),
    "on its side, its greys swapped": lambda grey: picture(255 - np.rot90(grey)),
    "turned by EXIF": lambda grey: picture(np.rot90(grey, -1), "jpeg", quality=90, exif=_exif(8)),
    "JPEG in colour": lambda grey: picture(colour(grey), "jpeg", quality=85),
}


def _exif(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("kind", FILMS)
def test_the_page_says_what_python_says(local, said, distance, chest, kind):
    data = FILMS[kind](chest)
    found = distance(said(data), local.read(kind, data))
    assert found["greys"] <= 1e-3
    assert found["pixels"] <= 1
    assert found["scores"] <= 1e-3


@pytest.mark.drill
def test_real_films(local, said, distance, real_cases):
    """Evenly over all sets, and so over all ten labels."""
    usable = [case for case in real_cases if case.image is not None and case.image.suffix in {".png", ".jpg"}]
    step = max(len(usable) // COUNT, 1)
    worst = {"greys": 0.0, "pixels": 0.0, "scores": 0.0}
    for case in usable[::step][:COUNT]:
        data = case.image.read_bytes()
        found = distance(said(data), local.read(case.image.name, data))
        worst = {key: max(value, found[key]) for key, value in worst.items()}
    assert worst["greys"] <= 1e-3
    assert worst["pixels"] <= 1
    assert worst["scores"] <= 1e-3


PLAUSIBLE = """async (all) => {
  const { isPlausible } = await import(new URL("engine/anatomy.js", document.baseURI));
  return all.map((organs) => isPlausible(...organs));
}"""


def test_what_looks_like_a_chest_does_so_in_both(local):
    """The chests and what is none of tests/detect, and a thousand that lie about the borders of the rules."""
    random = np.random.default_rng(4)
    most = np.array(CHESTS["as most"])
    organs = [*CHESTS.values(), *NO_CHESTS.values(), *(most + random.normal(0, 9, (1000, 3, 4))).round(3).tolist()]
    organs = [
        chest for chest in organs if all(each is None or (each[0] < each[2] and each[1] < each[3]) for each in chest)
    ]
    ours = [is_plausible(*(None if each is None else Box(*each) for each in chest)) for chest in organs]
    assert 100 < sum(ours) < len(ours) - 100
    assert local.page.evaluate(PLAUSIBLE, organs) == ours


EDGE = """async (maps) => {
  const { lungsCutOff } = await import(new URL("engine/anatomy.js", document.baseURI));
  const organs = maps.map((map) => ({ width: 20, height: 20, pixels: Float32Array.from(map.flat()) }));
  return lungsCutOff(organs).map(({ code }) => code);
}"""


@pytest.mark.parametrize("name", CUT_OFF)
def test_a_lung_at_the_picture_s_edge_is_cut_off_in_both(local, name):
    spots, cut = CUT_OFF[name]
    lung, none = likely(*spots, cells=20).tolist(), likely(cells=20).tolist()
    assert local.page.evaluate(EDGE, [none, none, lung]) == ["LUNGS_CUT_OFF"] * cut
    assert local.page.evaluate(EDGE, [lung, none, none]) == []  # a heart


RATIO = """async ([facts, ratio, view, probability]) => {
  const { ratioOf } = await import(new URL("engine/ratio.js", document.baseURI));
  const limits = (image) => ({ cardiomegaly: { box: 0.5, image } });
  const card = { thresholds: { sensitive: limits(0.2), balanced: limits(0.5) } };
  const findings = probability === null ? [] : [{ label: "cardiomegaly", box: null, score: probability }];
  return ratioOf({ anatomy: { cardiothoracic_ratio: ratio }, film: { view }, card, findings }, facts, null);
}"""


@pytest.mark.parametrize(
    ("asked", "notes"),
    [
        ([0.62, "PA", 0.05], ["LARGE"]),
        ([0.62, "AP", 0.40], ["AP"]),
        ([0.45, "LATERAL", 0.90], ["UNKNOWN", "SMALL"]),
        ([0.45, "PA", 0.40], []),
        ([0.62, "PA", None], []),
        ([None, "PA", 0.05], []),
    ],
)
def test_a_ratio_that_is_contradicted_is_so_on_the_page(local, built, asked, notes):
    facts = json.loads((built / "facts.json").read_text())
    assert local.page.evaluate(RATIO, [facts, *asked]) == {
        "key": "model" if asked[0] else "none",
        "value": asked[0],
        "notes": notes,
    }


LOOKS = """async ([wide, scores, labels, least_score]) => {
  const { lookAgain } = await import(new URL("engine/second_look.js", document.baseURI));
  const film = { width: wide, height: 400, pixels: new Float32Array(wide * 400).map((_, at) => (at % 97) / 97) };
  const windows = [[0, 0, 0.6, 1], [0.4, 0, 1, 1]];
  const look = { labels, size: 64, least: 384, windows, least_score };
  const card = { labels: ["edema", "nodule_mass"], input_size: 32, second_look: look };
  let parts = 0;
  await lookAgain({ boxes: [], scores: [], image_scores: scores }, film, card, () => {
    parts += 1;
    return { boxes: [], scores: [] };
  });
  return parts;
}"""


@pytest.mark.parametrize(
    ("asked", "parts"),
    [
        ([400, [0.9, 0.3], ["nodule_mass"], 0.3], 2),
        ([400, [0.9, 0.3], ["nodule_mass"], 0.31], 0),
        ([400, [0.2, 0.5], ["edema", "nodule_mass"], 0.4], 2),
        ([400, [0.2, 0.0], ["edema", "nodule_mass"], 0.4], 0),
        ([400, [0.0, 0.0], ["edema"], 0], 2),
        ([380, [0.9, 0.9], ["edema"], 0], 0),
    ],
)
def test_which_films_the_page_looks_at_again(local, asked, parts):
    assert local.page.evaluate(LOOKS, asked) == parts
