"""Ages, sexes and views in the words of the public sets and of people; what is not understood is unknown."""

import pytest

from lungspot.images.facts_in_words import age_in_years, parse_sex, parse_view
from lungspot.images.radiograph import Sex, View


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("58", 58.0),
        ("058Y", 58.0),
        ("000Y", 0.0),
        ("013M", 13 / 12),
        ("014D", 14 / 365.25),
        ("57.5", 57.5),
        ("", None),
        ("411", None),
        ("411Y", None),
        ("old", None),
        ("-3", None),
        ("58 years", 58.0),
        ("58 yrs", 58.0),
        ("58 years old", 58.0),
        ("58 kg", None),
        ("57,5", 57.5),
        ("045Y", 45.0),
        ("45 años", 45.0),
        ("45 anni", 45.0),
        ("45歳", 45.0),
        ("58 M", None),  # months, or a man?
        ("80 or more", None),
        (">89", None),
    ],
)
def test_ages_of_every_release_are_years(text, years):
    assert age_in_years(text) == (None if years is None else pytest.approx(years))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(
            (word, Sex.FEMALE)
            for word in (
                "F",
                "f",
                "female",
                "Mujer",
                " FEMALE ",
                "femme",
                "Hembra",
                "Weiblich",
                "Féminin",
                "donna",
                "Ж",
                "女",
            )
        ),
        *((word, Sex.MALE) for word in ("male", "M", "Hombre", "masculino", "Varón", "MÄNNLICH", "homme", "м", "男性")),
        ("Other", Sex.OTHER),
        *(
            (word, Sex.UNKNOWN)
            for word in ("", "U", "Unknown", "fm", "Mixed", "Fetus", "not stated", "maybe", "1", "0", "Mädchen", "Fr")
        ),
    ],
)
def test_sex(text, expected):
    assert parse_sex(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(
            (word, View.PA)
            for word in ("PA", "pa", "PA erect", "posteroanterior", "Postero-anterior", "Chest PA", "DX PA view")
        ),
        *(
            (word, View.AP)
            for word in (" ap ", "AP_horizontal", "AP SUPINE", "anteroposterior", "AP Portable", "Thorax AP")
        ),
        *((word, View.LATERAL) for word in ("LL", "L", "Lateral", "LATERAL", "left lateral", "Lateral L", "LLAT")),
        *(
            (word, View.UNKNOWN)
            for word in ("?", "", "Frontal", "PAX", "COSTAL", "AP or PA", "PA/AP", "apical", "Chest", "RAO", "LAO")
        ),
    ],
)
def test_view(text, expected):
    assert parse_view(text) is expected
