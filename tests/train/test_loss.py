from dataclasses import replace

import pytest
import torch

from lungspot.findings import ABSENT, BOXED, PRESENT, UNKNOWN
from lungspot.train.config import TrainConfig
from lungspot.train.loss import Target, _believed, assign, generalised_iou, losses
from lungspot.train.model import Output, points

SIZE = 64
CONFIG = TrainConfig(labels=("effusion", "edema"))
PLACES = 64 + 16 + 4


def target(states, boxes=(), labels=(), weight=1.0):
    count = len(boxes)
    return Target(
        boxes=torch.tensor(boxes, dtype=torch.float32).reshape(1, count, 4),
        labels=torch.tensor(labels, dtype=torch.int64).reshape(1, count),
        real=torch.ones(1, count, dtype=torch.bool),
        states=torch.tensor([states]),
        weight=torch.full((1, 2), float(weight)),
        organs=torch.zeros(1, 3, 8, 8),
        outlined=torch.zeros(1, dtype=torch.bool),
        hint=torch.zeros(1, 3, 8, 8),
        hinted=torch.zeros(1, dtype=torch.bool),
        mirrored=torch.zeros(1),
        soft=torch.full((1, 2), torch.nan),
    )


def output(boxes=None):
    if boxes is None:
        centres, strides = points(SIZE, SIZE)
        boxes = torch.cat((centres - strides[:, None], centres + strides[:, None]), 1)[None]
    leaves = [boxes, torch.zeros(1, PLACES, 2), torch.zeros(1, 2)]
    for leaf in leaves:
        leaf.requires_grad_()
    return Output(*leaves, torch.zeros(1, 2, 4, 4), torch.zeros(1, 8))


def gradients(states, boxes=(), labels=(), weight=1.0):
    said = output()
    sum(losses(said, target(states, boxes, labels, weight), CONFIG, SIZE).values()).backward()
    return said


@pytest.mark.parametrize(
    ("states", "boxes", "labels", "scores_move", "image_moves"),
    [
        # per label: does a place without a box move (-1 down, 0 not, +1 up), does the film's probability
        ([UNKNOWN, UNKNOWN], [], [], [0, 0], [0, 0]),
        ([ABSENT, UNKNOWN], [], [], [-1, 0], [-1, 0]),
        ([UNKNOWN, ABSENT], [], [], [0, -1], [0, -1]),
        ([PRESENT, UNKNOWN], [], [], [+1, 0], [+1, 0]),  # MIL
        ([BOXED, UNKNOWN], [(8, 8, 24, 24)], [0], [-1, 0], [+1, 0]),
        ([PRESENT, ABSENT], [(8, 8, 24, 24)], [0], [0, -1], [+1, -1]),  # some boxes: the rest is left alone
    ],
)
def test_what_a_state_teaches(states, boxes, labels, scores_move, image_moves):
    said = gradients(states, boxes, labels)
    centres, _ = points(SIZE, SIZE)
    outside = ((centres < 4) | (centres > 28)).any(1)
    for column in range(2):
        fall = said.scores.grad[0, outside, column]
        if scores_move[column] == 0:
            assert (fall == 0).all()
        elif scores_move[column] < 0:
            assert (fall > 0).all()
        else:
            assert (fall <= 0).all()
            assert (fall < 0).any()
        assert torch.sign(-said.image.grad[0, column]) == image_moves[column]


def test_a_box_pulls_its_best_places_up_and_its_boxes_near():
    said = gradients([BOXED, UNKNOWN], [(4, 4, 20, 20)], [0])  # the place at (12, 12) sees exactly this
    rising = said.scores.grad[0, :, 0] < 0
    assert 1 <= int(rising.sum()) <= CONFIG.candidates
    taught = (said.boxes.grad[0] != 0).any(1)
    assert 1 <= int(taught.sum()) <= CONFIG.candidates
    assert rising[9]  # second place of the second row of stride 8
    assert (said.scores.grad[0, :, 1] == 0).all()


def test_doubt_pushes_less():
    sure, doubtful = gradients([ABSENT, UNKNOWN]), gradients([ABSENT, UNKNOWN], weight=0.25)
    torch.testing.assert_close(doubtful.image.grad, sure.image.grad / 4)
    torch.testing.assert_close(doubtful.scores.grad, sure.scores.grad / 4)


@pytest.mark.parametrize(
    ("box", "nearest"),
    [
        ((8, 8, 24, 24), (12, 12)),
        ((9, 9, 11, 11), (12, 12)),  # smaller than a stride: the nearest place still answers for it
    ],
)
def test_assign_finds_places_for(box, nearest):
    said = output()
    found = assign(said.boxes, said.scores.sigmoid(), target([BOXED, UNKNOWN], [box], [0]), SIZE, 10)
    centres, _ = points(SIZE, SIZE)
    chosen = centres[found.quality[0] > 0].tolist()
    assert list(nearest) in chosen
    assert all(box[0] - 16 <= x <= box[2] + 16 and box[1] - 16 <= y <= box[3] + 16 for x, y in chosen)


def test_assign_gives_a_contested_place_to_the_box_it_overlaps_more():
    said = output()
    both = target([BOXED, BOXED], [(0, 0, 16, 16), (8, 8, 40, 40)], [0, 1])
    found = assign(said.boxes, said.scores.sigmoid(), both, SIZE, 10)
    place = 64  # stride 16, around (8, 8): exactly the first box, dilated
    owner = found.box[0, place]
    assert found.quality[0, place] > 0
    assert int(owner) == 0


def test_assign_without_boxes():
    said = output()
    found = assign(said.boxes, said.scores.sigmoid(), target([ABSENT, ABSENT]), SIZE, 10)
    assert not found.quality.any()


@pytest.mark.parametrize(
    ("a", "b", "value"),
    [
        ((0, 0, 2, 2), (0, 0, 2, 2), 1.0),
        ((0, 0, 2, 2), (1, 0, 3, 2), 1 / 3),
        ((0, 0, 1, 1), (3, 0, 4, 1), -0.5),  # half of the hull is neither's
    ],
)
def test_generalised_iou(a, b, value):
    found = generalised_iou(torch.tensor(a, dtype=torch.float32), torch.tensor(b, dtype=torch.float32))
    assert float(found) == pytest.approx(value, abs=1e-5)


def test_only_outlined_films_teach_organs_and_all_teach_mirrors():
    organs, mirrored = torch.zeros(1, 3, 8, 8, requires_grad=True), torch.zeros(1, requires_grad=True)
    said = replace(output(), organs=organs, mirrored=mirrored)
    known = target([UNKNOWN, UNKNOWN])
    parts = losses(said, known, CONFIG, SIZE)
    assert float(parts["organ"].detach()) == 0
    known.organs[0, 0, 2:5, 2:5] = 1
    parts = losses(said, replace(known, outlined=torch.ones(1, dtype=torch.bool)), CONFIG, SIZE)
    (parts["organ"] + parts["mirror"]).backward()
    assert (organs.grad[0, 0, 2:5, 2:5] < 0).all()
    assert (organs.grad[0, 1:] > 0).all()
    assert float(mirrored.grad) > 0
    assert set(losses(output(), known, CONFIG, SIZE)) == {"score", "box", "image", "mil"}


@pytest.mark.parametrize(
    ("state", "weight", "soft", "wanted", "believed"),
    [
        (ABSENT, 1.0, 0.8, 0.0, 1.0),  # certain: no teacher is heard
        (ABSENT, 0.3, torch.nan, 0.0, 0.3),
        (ABSENT, 0.3, 0.8, 0.8 * 0.49, 0.3),  # doubtful: .7 of .7
        (UNKNOWN, 1.0, 0.8, 0.8, 0.1),
        (UNKNOWN, 1.0, torch.nan, 0.0, 0.0),
        (PRESENT, 1.0, 0.2, 1.0, 1.0),
    ],
)
def test_how_much_a_teacher_is_heard(state, weight, soft, wanted, believed):
    known = replace(target([state, state], weight=weight), soft=torch.full((1, 2), soft))
    found, weighs = _believed(known, CONFIG)
    assert found[0].tolist() == pytest.approx([wanted] * 2, abs=1e-6)
    assert weighs[0].tolist() == pytest.approx([believed] * 2, abs=1e-6)


def covering(organs, known, **gains):
    """What the loss says of outlines, and which way it moves each place: (3, 8, 8)."""
    organs = torch.full((1, 3, 8, 8), float(organs)).requires_grad_()
    said = replace(output(), organs=organs, mirrored=torch.zeros(1))
    part = losses(said, known, replace(CONFIG, **gains), SIZE)["cover"]
    part.backward()
    return float(part.detach()), organs.grad[0]


def test_lungs_are_pulled_over_what_people_boxed_in_them():
    known = target([BOXED, UNKNOWN], [(16, 16, 48, 32)], [0])
    part, moved = covering(-3, known, cover_gain=1.0, hint_gain=0.0)
    assert part > 1
    assert (moved[0] == 0).all(), "the heart is none of it"
    for lung in moved[1:]:
        assert (lung[2:4, 2:6] < 0).all()
        assert (lung[:2] == 0).all()
        assert (lung[4:] == 0).all()
    part, moved = covering(2, known, cover_gain=1.0, hint_gain=0.0)
    assert part == 0, "it is enough that a place is likely lung"
    assert (moved == 0).all()


@pytest.mark.parametrize("change", ["outlined", "heart", "unreal"])
def test_other_boxes_say_nothing_of_lungs(change):
    known = target([BOXED, UNKNOWN], [(16, 16, 48, 32)], [0])
    config = CONFIG
    if change == "outlined":  # somebody drew the lungs themselves
        known = replace(known, outlined=torch.ones(1, dtype=torch.bool))
    elif change == "heart":
        config = replace(CONFIG, labels=("cardiomegaly", "edema"))
    else:
        known = replace(known, real=torch.zeros(1, 1, dtype=torch.bool))
    organs = torch.full((1, 3, 8, 8), -3.0)
    said = replace(output(), organs=organs, mirrored=torch.zeros(1))
    assert losses(said, known, replace(config, cover_gain=1.0), SIZE)["cover"] == 0
    assert "cover" not in losses(said, known, config, SIZE)


def test_a_hint_is_believed_where_it_is_sure_and_nobody_boxed_anything():
    hint = torch.full((1, 3, 8, 8), 0.5)
    hint[:, 1, 6:], hint[:, :, 0] = 0.9, 0.01
    known = replace(target([BOXED, UNKNOWN], [(0, 0, 32, 16)], [0]), hint=hint)
    assert covering(0, known, cover_gain=1e-9)[0] == pytest.approx(0, abs=1e-6), "nobody hinted"
    moved = covering(0, replace(known, hinted=torch.ones(1, dtype=torch.bool)), cover_gain=1e-9)[1]
    assert (moved[1, 6:] < -1e-4).all()
    assert (moved[:, 0, 5:] > 1e-4).all()
    assert (moved[:, 1:6].abs() < 1e-6).all()
    assert (moved[:, 0, :4].abs() < 1e-6).all(), "a box is believed before a hint"
