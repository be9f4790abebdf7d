"""What tables say of a patient and a film, in the words of DICOM, of the public sets and of people's languages.

A word that is not known is never guessed at: not by its first letter, not by a number that stands for it.
"""

from __future__ import annotations

import re
from typing import Final

from lungspot.images.radiograph import Sex, View

__all__ = ["age_in_years", "parse_sex", "parse_view"]

# NIH 2017 writes 058Y, 013M (months), 005D (days); v2020 and others write 58; spreadsheets may write 57,5.
_AGE: Final = re.compile(r"0*(\d+(?:[.,]\d+)?)([YMWD]?)\Z")
_YEARS: Final = {"": 1.0, "Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}
_OLDEST: Final = 120.0
_WORDS_OF_AGE: Final = re.compile(
    r"\s*(?:years?|yrs?|y/?o|años?|anos?|ans|jahre|anni|лет|года?|岁|歳)(?:\s+old)?\s*\Z", re.IGNORECASE
)
_WOMEN: Final = (
    *(
        "f",
        "female",
        "woman",
        "mujer",
        "femenino",
        "femenina",
        "hembra",
        "femme",
        "féminin",
        "feminin",
        "weiblich",
        "frau",
    ),
    *("feminino", "feminina", "mulher", "femmina", "femminile", "donna", "vrouw", "kobieta"),
    *("ж", "жен", "женский", "女", "女性", "여", "여성"),
)
_MEN: Final = (
    *("m", "male", "man", "hombre", "masculino", "varón", "varon", "homme", "masculin", "männlich", "mann", "homem"),
    *("maschio", "maschile", "uomo", "mężczyzna"),
    *("м", "муж", "мужской", "男", "男性", "남", "남성"),
)
_SEXES: Final[dict[str, Sex]] = {
    **dict.fromkeys(_WOMEN, Sex.FEMALE),
    **dict.fromkeys(_MEN, Sex.MALE),
    **dict.fromkeys(("o", "other"), Sex.OTHER),
}
_FRONTS: Final[dict[View, tuple[str, ...]]] = {
    View.PA: ("pa", "posteroanterior", "postero anterior", "posterior anterior"),
    View.AP: ("ap", "anteroposterior", "antero posterior", "anterior posterior"),
}
_POSTURES: Final = (
    *(
        "",
        "erect",
        "upright",
        "standing",
        "sitting",
        "semi erect",
        "supine",
        "portable",
        "horizontal",
        "axial",
        "lying",
    ),
    *("bedside", "mobile"),
)
_VIEWS: Final[dict[str, View]] = {
    f"{word} {posture}".strip(): side for side, words in _FRONTS.items() for word in words for posture in _POSTURES
} | dict.fromkeys(
    (
        *("l", "ll", "rl", "lat", "lateral", "left lateral", "right lateral", "lateral left", "lateral right"),
        *("ll erect", "l lateral", "lateral l", "r lateral", "lateral r", "llat", "rlat", "lateral erect", "profile"),
    ),
    View.LATERAL,
)
# Words beside a view that say nothing of it.
_BESIDE: Final = frozenset({"chest", "thorax", "view", "projection", "position", "dx", "cr", "dr", "xray", "x", "ray"})


def age_in_years(text: str) -> float | None:
    """Return years of ``058Y``, ``013M``, ``005D``, ``57,5``; None where empty, or older than 120 (NIH has a 411)."""
    match = _AGE.match(_WORDS_OF_AGE.sub("", text.strip()))
    years = float(match[1].replace(",", ".")) / _YEARS[match[2]] if match else None
    return years if years is not None and years <= _OLDEST else None


def parse_sex(text: str) -> Sex:
    """Return the sex that ``F``, ``m``, ``Female``, ``Mujer`` … mean; a word that is not known is never guessed at."""
    return _SEXES.get(text.strip().casefold(), Sex.UNKNOWN)


def parse_view(text: str) -> View:
    """Return the view that ``PA``, ``ap``, ``LL``, ``AP_horizontal`` … mean; ``Frontal`` says neither."""
    words = [word for word in re.findall(r"[a-z]+", text.casefold()) if word not in _BESIDE]
    return _VIEWS.get(" ".join(words), View.UNKNOWN)
