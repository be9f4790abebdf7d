import dataclasses
import pickle

import pytest

from lungspot.errors import FilmError, InputError
from lungspot.report import Refusal, statement


def test_findings_and_probabilities_are_told_apart(make):
    result = make()
    assert [finding.label for finding in result.boxed] == ["effusion", "cardiomegaly"]
    assert result.probabilities == {"effusion": 0.3, "cardiomegaly": 0.3, "edema": 0.3}
    assert [result.is_positive(finding) for finding in result.boxed] == [True, False]


def test_a_film_is_either_read_or_refused(make):
    read, refused = make(), make(reasons=("LATERAL",))
    assert read.assessed
    assert not refused.assessed
    assert refused.boxed == ()
    assert refused.probabilities == {}
    for wrong in ({"reasons": ("LATERAL",)}, {"reading": None}, {"agreement": read.agreement[:1]}):
        with pytest.raises(InputError):
            dataclasses.replace(read, **wrong)
    for leak in ({"heat": read.heat}, {"agreement": read.agreement}, {"reasons": ()}, {"features": (0.5,)}):
        with pytest.raises(InputError):
            dataclasses.replace(refused, **leak)


def test_a_result_can_be_sent_to_another_process(make):
    result = make()
    back = pickle.loads(pickle.dumps(result))
    assert (back.reading, back.point, dict(back.timings)) == (result.reading, result.point, dict(result.timings))
    assert back.model == result.model
    assert (back.radiograph.pixels == result.radiograph.pixels).all()
    assert set(back.heat) == set(result.heat)
    assert statement(back) == statement(result)
    refused = pickle.loads(pickle.dumps(Refusal("x", FilmError("TRUNCATED", "x", "ends early"))))
    assert (refused.path, refused.reasons) == ("x", ("TRUNCATED",))
