"""Dates in the forms that registers use."""

import numpy as np
import pytest

from lungspot.adapt.tb.dates import dates_of


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (
            ["2026-11-30", "20261130", "2026/11/30", "30.11.2026", "2026-11-30T08:15:00Z", ""],
            ["2026-11-30"] * 5 + ["NaT"],
        ),
        (["03/04/2026", "25/04/2026"], ["2026-04-03", "2026-04-25"]),  # the second says that days come first
        (["03/04/2026", "04/25/2026"], ["2026-03-04", "2026-04-25"]),
    ],
)
def test_dates(texts, expected):
    refused = []
    found = dates_of(list(enumerate(texts)), lambda line, reason: refused.append((line, reason)))
    assert np.datetime_as_string(found).tolist() == expected
    assert not refused


def test_a_day_that_may_be_two_is_refused_once():
    refused = []
    dates_of([(2, "03/04/2026"), (3, "05/06/2026"), (4, "31/31/2026")], lambda *said: refused.append(said))
    assert [line for line, _ in refused] == [2, 4]
