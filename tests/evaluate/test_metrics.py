import contextlib
import io
from dataclasses import replace

import faster_coco_eval
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lungspot.evaluate.matched import Pair, ScoreLimits, tabulate
from lungspot.evaluate.metrics import METRICS, chosen_metrics, compare, counts, macro, metrics_of, select_films, values
from lungspot.evaluate.resample import by_patient, permutation_weights, unit_weights
from lungspot.findings import Box, Finding, Reading, State

from .conftest import FRAME, LABEL, pair_of, random_pairs

A, HALF, FAR = (0, 0, 10, 10), (0, 0, 10, 5), (50, 50, 60, 60)


@pytest.mark.parametrize(
    ("films", "metric", "expected"),
    [
        # One lesion, one box: IoU .5, IoBB 1 (Wang 2017: intersection over the detected box).
        ([([A], [(HALF, 0.9)])], "t_iou0.5", 1.0),
        ([([A], [(HALF, 0.9)])], "t_iou0.7", 0.0),
        ([([A], [(HALF, 0.9)])], "afp_iou0.7", 1.0),
        ([([A], [(HALF, 0.9)])], "t_iobb0.9", 1.0),
        ([([A], [(HALF, 0.9)])], "afp_iobb0.9", 0.0),
        # A box below the limit is not shown; two lesions, one found; false boxes on the one film with a lesion: 1.
        ([([A, FAR], [(A, 0.9), ((80, 0, 90, 10), 0.6), (FAR, 0.4)]), ([], [(A, 0.9)])], "t_iobb0.5", 0.5),
        ([([A, FAR], [(A, 0.9), ((80, 0, 90, 10), 0.6), (FAR, 0.4)]), ([], [(A, 0.9)])], "afp_iobb0.5", 1.0),
        # RSNA: the half box is right at .4, .45, .5 of the eight; a film without any box on either side is left out.
        ([([A], [(HALF, 0.9)]), ([], [])], "rsna", 3 / 8),
        # a box on a film without the finding scores 0
        ([([A], [(A, 0.9)]), ([], [(A, 0.9)])], "rsna", 0.5),
        # one right, one missed, one false at every threshold: 1 / 3
        ([([A, FAR], [(A, 0.9), ((80, 0, 90, 10), 0.6)])], "rsna", 1 / 3),
        # the surest box's centre: in the lesion on one film of two
        ([([A], [(HALF, 0.9), (FAR, 0.5)]), ([A], [(FAR, 0.9), (A, 0.8)]), ([], [(A, 1.0)])], "hit_rate", 0.5),
        ([([A], []), ([A], [(A, 0.2)])], "hit_rate", 0.5),
        ([([], [(A, 0.9), (FAR, 0.4)]), ([], [])], "false_on_normals", 0.5),
        ([([A], [(A, 0.9)]), ([FAR], [(A, 0.4)]), ([], [(A, 0.6)])], "sensitivity", 0.5),
        ([([A], [(A, 0.9)]), ([FAR], [(A, 0.4)]), ([], [(A, 0.6)])], "specificity", 0.0),
    ],
)
def test_by_hand(one_label, films, metric, expected):
    assert metrics_of(one_label(films), unit_weights(len(films)))[metric][0] == pytest.approx(expected)


def test_every_metric_has_words():
    matched = tabulate(random_pairs(0), LABEL, ScoreLimits())
    assert list(metrics_of(matched, unit_weights(60))) == list(METRICS)


@pytest.mark.parametrize("seed", range(3))
def test_weights_are_repeated_films(seed):
    """A row of weights gives what the films repeated that often give."""
    pairs = random_pairs(seed, films=30)
    weights = np.random.default_rng(seed).integers(0, 4, (3, 30))
    found = metrics_of(tabulate(pairs, LABEL, ScoreLimits()), weights)
    for row in range(3):
        again = [pair for pair, often in zip(pairs, weights[row], strict=True) for _ in range(often)]
        wanted = metrics_of(tabulate(again, LABEL, ScoreLimits()), unit_weights(len(again)))
        for name in METRICS:
            assert found[name][row] == pytest.approx(wanted[name][0], abs=1e-9, nan_ok=True), name


def as_coco(pairs, labels):
    """Return a COCO dataset with LVIS's lists, and results."""
    images, annotations, results = [], [], []
    for number, pair in enumerate(pairs, 1):
        states = {label: pair.true.state(label) for label in labels}
        images.append(
            {
                "id": number,
                "width": 100,
                "height": 100,
                "neg_category_ids": [i for i, one in enumerate(labels, 1) if states[one] is State.ABSENT],
                "not_exhaustive_category_ids": [i for i, one in enumerate(labels, 1) if states[one] is State.PRESENT],
            }
        )
        for reading, rows in ((pair.true, annotations), (pair.found, results)):
            for finding in reading.findings:
                if finding.box is not None:
                    row = {"image_id": number, "category_id": labels.index(finding.label) + 1}
                    row |= {"bbox": list(finding.box.xywh), "area": finding.box.area, "iscrowd": int(finding.crowd)}
                    rows.append(
                        row | {"id": len(rows) + 1} | ({} if finding.score is None else {"score": finding.score})
                    )
    categories = [{"id": i, "name": label, "frequency": "f"} for i, label in enumerate(labels, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}, results


def run_coco(evaluator, dataset_class, dataset, results, **options):
    """Return precision, (T, 101, C), of one of the two reference programs at every threshold of COCO and 0.4."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = dataset_class()
        coco.dataset = dataset
        coco.createIndex()
        judge = evaluator(coco, coco.loadRes(results), "bbox", **options)
        judge.params.iouThrs = np.array([0.4, *np.arange(0.5, 0.96, 0.05)])
        judge.params.maxDets = [100, 100, 100]
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.evaluate()
        judge.accumulate()
    return judge.eval["precision"][:, :, :, 0, -1]


@pytest.mark.parametrize("seed", range(2))
def test_as_pycocotools(seed):
    pairs = [p for p in random_pairs(seed) if p.true.state(LABEL) in {State.BOXED, State.ABSENT}]
    theirs = run_coco(COCOeval, COCO, *as_coco(pairs, [LABEL])).mean((1, 2))
    mine = metrics_of(tabulate(pairs, LABEL, ScoreLimits()), unit_weights(len(pairs)))
    assert mine["ap0.4"][0] == pytest.approx(theirs[0], abs=1e-9)
    assert mine["ap0.5:0.95"][0] == pytest.approx(theirs[1:].mean(), abs=1e-9)


def crowded(pairs, rng):
    """Return films where a third of the true boxes, grown, are said to hold several instances."""

    def grown(finding):
        x0, y0, x1, y1 = finding.box.corners
        more = rng.uniform(0, 30)
        return replace(finding, box=Box(x0 - more, y0 - more, x1 + more, y1 + more), crowd=True)

    return [
        replace(
            p, true=replace(p.true, findings=tuple(grown(f) if rng.random() < 0.35 else f for f in p.true.findings))
        )
        for p in pairs
    ]


@pytest.mark.parametrize("seed", range(4))
def test_crowds_as_pycocotools(seed):
    """A crowd is no box to find; a box that lies in it, by the threshold of its own area, is no mistake."""
    pairs = [p for p in random_pairs(seed) if p.true.state(LABEL) in {State.BOXED, State.ABSENT}]
    plain = metrics_of(tabulate(pairs, LABEL, ScoreLimits()), unit_weights(len(pairs)))
    pairs = crowded(pairs, np.random.default_rng(seed))
    theirs = run_coco(COCOeval, COCO, *as_coco(pairs, [LABEL])).mean((1, 2))
    matched = tabulate(pairs, LABEL, ScoreLimits())
    mine = metrics_of(matched, unit_weights(len(pairs)))
    assert mine["ap0.4"][0] == pytest.approx(theirs[0], abs=1e-9)
    assert mine["ap0.5:0.95"][0] == pytest.approx(theirs[1:].mean(), abs=1e-9)
    assert mine["ap0.4"][0] != plain["ap0.4"][0]
    halves = [select_films(matched, np.arange(len(pairs)) % 2 == side) for side in (0, 1)]
    assert sum(len(half.crowd) for half in halves) == len(matched.crowd)


@pytest.mark.parametrize(
    ("crowd", "expected"),
    [
        ((0, 0, 100, 100), 81 / 101),  # four of five found, and nothing false: what lies in the crowd does not count
        (None, 73 / 101),  # both are false
        ((0, 0, 40, 40), None),  # one inside, one outside
        ((30, 30, 60, 60), None),  # a box that leaves the crowd by more than its own 0.6
    ],
)
def test_boxes_in_a_crowd_by_hand(crowd, expected):
    """Five films with a box, four of them found, and a sixth with a crowd in which the model sees two boxes."""
    true = (10, 10, 50, 50)
    pairs = [
        pair_of(i, [true], [((11, 11, 50, 50), score)] if score else [])
        for i, score in enumerate((0.85, 0.8, 0.75, 0.7, 0))
    ]
    found = tuple(Finding(LABEL, Box(*corners), score) for corners, score in (((20, 20, 40, 40), 0.8), (FAR, 0.7)))
    crowds = () if crowd is None else (Finding(LABEL, Box(*crowd), crowd=True),)
    there = Reading("t", crowds, {LABEL: State.BOXED if crowds else State.ABSENT}, FRAME)
    pairs.append(Pair("crowd", "p", there, Reading("m", found, {LABEL: State.BOXED}, FRAME)))
    mine = metrics_of(tabulate(pairs, LABEL, ScoreLimits()), unit_weights(len(pairs)))["ap0.4"][0]
    assert mine == pytest.approx(run_coco(COCOeval, COCO, *as_coco(pairs, [LABEL]))[0].mean(), abs=1e-9)
    if expected is not None:
        assert mine == pytest.approx(expected, abs=0.001)


def test_what_a_crowd_alone_says():
    """A film with a crowd shows the label; in it nothing is wrong, outside it a box is; there is nothing to miss."""
    crowd = Reading("t", (Finding(LABEL, Box(0, 0, 50, 50), crowd=True),), {LABEL: State.BOXED}, FRAME)
    inside, outside = Finding(LABEL, Box(10, 10, 40, 40), 0.9), Finding(LABEL, Box(60, 60, 90, 90), 0.8)
    films = [([A], [(A, 0.95)]), ([], [])]
    pairs = [pair_of(i, *film) for i, film in enumerate(films)]

    def measured(*found):
        said = Reading("m", found, {LABEL: State.PRESENT}, FRAME)
        every = [*pairs, Pair("crowd", "p", crowd, said)]
        return {
            name: value[0] for name, value in metrics_of(tabulate(every, LABEL, ScoreLimits()), unit_weights(3)).items()
        }

    quiet, right, wrong = measured(), measured(inside), measured(inside, outside)
    for name in ("ap0.4", "cpm", "wafroc", "t_iou0.4", "afp_iou0.4", "rsna", "brier_box", "voc0.4"):
        assert right[name] == pytest.approx(quiet[name]), name
    assert wrong["rsna"] < right["rsna"]
    assert wrong["brier_box"] > right["brier_box"]
    assert right["auroc"] == 1.0 > quiet["auroc"]  # the film does show the label


@pytest.mark.parametrize("seed", range(2))
def test_partly_labelled_as_faster_coco_eval(seed):
    """Its LVIS mode: what nobody looked for is not judged, and where not all is boxed a stray box does not count."""
    labels = [LABEL, "pneumonia"]
    pairs = random_pairs(seed, labels=labels)
    theirs = run_coco(faster_coco_eval.COCOeval_faster, faster_coco_eval.COCO, *as_coco(pairs, labels), lvis_style=True)
    for column, label in enumerate(labels):
        mine = metrics_of(tabulate(pairs, label, ScoreLimits()), unit_weights(len(pairs)))
        assert mine["ap0.4"][0] == pytest.approx(theirs[0, :, column].mean(), abs=1e-6)
        assert mine["ap0.5:0.95"][0] == pytest.approx(theirs[1:, :, column].mean(), abs=1e-6)


def test_values_have_intervals_around_them_and_a_mean():
    pairs = random_pairs(1, labels=[LABEL, "pneumonia"], patients=30)
    matched = {label: tabulate(pairs, label, ScoreLimits()) for label in (LABEL, "pneumonia")}
    found = dict(values(matched, by_patient([p.patient for p in pairs], 100, 0)))
    assert list(found) == [LABEL, "pneumonia", "mean"]
    both = [found[label]["auroc"].value for label in matched]
    assert found["mean"]["auroc"].value == pytest.approx(np.mean(both))
    low, high = found[LABEL]["auroc"].interval
    assert low < found[LABEL]["auroc"].value < high


def test_the_mean_is_over_what_exists():
    assert macro([np.array([1.0, np.nan]), np.array([np.nan, np.nan])]).tolist()[0] == 1.0


def test_a_part_is_what_only_its_films_give():
    pairs = random_pairs(2)
    chosen = np.array([pair.groups["source"] == "two" for pair in pairs])
    mine = metrics_of(select_films(tabulate(pairs, LABEL, ScoreLimits()), chosen), unit_weights(len(pairs)))
    some = [pair for pair in pairs if pair.groups["source"] == "two"]
    wanted = metrics_of(tabulate(some, LABEL, ScoreLimits()), unit_weights(len(some)))
    for name in METRICS:
        assert mine[name][0] == pytest.approx(wanted[name][0], abs=1e-9, nan_ok=True), name


def test_quick_is_measure():
    matched = tabulate(random_pairs(3), LABEL, ScoreLimits())
    weights = by_patient([str(i) for i in range(60)], 5, 0)
    whole = metrics_of(matched, weights)
    for name, value in chosen_metrics(matched, weights, ("ap0.3", "wafroc", "cpm", "auroc")).items():
        assert value == pytest.approx(whole[name])


def test_counts(one_label):
    films = [([A, FAR], [(A, 0.9)]), ([], []), ([], [], State.PRESENT), ([], [(A, 0.3)], State.NOT_LOOKED_FOR)]
    assert counts(one_label(films)) == {"positive": 2, "negative": 1, "unknown": 1, "boxes": 2, "found": 1}


def shifted(pairs, worse):
    """Return the same films as another model reads them: boxes moved by ``worse`` pixels."""
    moved = []
    for pair in pairs:
        findings = tuple(
            f if f.box is None else replace(f, box=Box(f.box.x0 + worse, f.box.y0, f.box.x1 + worse, f.box.y1))
            for f in pair.found.findings
        )
        moved.append(replace(pair, found=replace(pair.found, findings=findings)))
    return moved


def test_two_models_on_the_same_films():
    pairs = random_pairs(4, films=80)
    patients = [pair.patient for pair in pairs]
    weights, swapped = by_patient(patients, 200, 0), permutation_weights(patients, 200, 0)
    good = {LABEL: tabulate(pairs, LABEL, ScoreLimits())}
    bad = {LABEL: tabulate(shifted(pairs, 6), LABEL, ScoreLimits())}
    row = compare(good, bad, weights, swapped)[LABEL]
    expected = (
        metrics_of(good[LABEL], unit_weights(80))["ap0.4"][0] - metrics_of(bad[LABEL], unit_weights(80))["ap0.4"][0]
    )
    assert row["ap0.4"]["value"] == pytest.approx(expected, abs=1e-6)
    assert row["ap0.4"]["interval"][0] > 0
    assert row["ap0.4"]["p"] < 0.05
    assert row["auroc"] == {
        "value": 0.0,
        "interval": [0.0, 0.0],
        "p": 1.0,
        "one": row["auroc"]["one"],
        "other": row["auroc"]["one"],
    }
    same = compare(good, good, weights, swapped)["mean"]["wafroc"]
    assert same["value"] == 0
    assert same["p"] == 1.0
