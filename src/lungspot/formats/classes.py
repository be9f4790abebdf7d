"""What a tool's class names mean: a label, nothing to keep, or a film on which nothing was found.

In this order: what the caller says (``--class-map``), the names of the taxonomy, and a guess that drops words which do
not change what the finding is (``Pneumonia Bacterial`` is pneumonia, ``Left Nodules`` a nodule). A name that says no
(``No TB``), doubts (``suspected mass``) or is unknown is never guessed. A class is only asked about where it is used.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final, TypeAlias

import yaml

from lungspot.errors import DatasetError, InputError
from lungspot.findings import is_label_id, taxonomy
from lungspot.inputs import regular

__all__ = ["NO_FINDING", "SKIP", "ClassMap", "ClassNames", "guessed", "read_class_map", "suggestion"]

SKIP: Final = "-"  # annotations of the class are left out
NO_FINDING: Final = "No Finding"  # the film shows nothing: every label is absent

ClassNames: TypeAlias = "Mapping[str, str] | ClassMap | None"  # what a reader of a format takes

_NOTHING: Final = frozenset({"no finding", "no findings", "nofinding", "normal", "healthy", "no abnormality"})
_NEVER: Final = frozenset(
    {
        "no",
        "not",
        "non",
        "without",
        "absent",
        "negative",
        "possible",
        "probable",
        "suspected",
        "suspicious",
        "rule",
        "other",
    }
)
# Words that say where, how large, how bad or of what kind, and not what.
_BESIDE: Final = frozenset(
    {
        *("left", "right", "bilateral", "unilateral", "upper", "lower", "middle", "lobe", "lung", "pulmonary", "chest"),
        *("small", "large", "big", "mild", "moderate", "severe", "acute", "bacterial", "viral", "disease", "sign"),
    }
)
_LOOKED_AT: Final = frozenset({"chest", "thorax", "cxr", "xray", "x", "ray", "film", "radiograph"})
_SPELLED: Final = {word: label.id for label in taxonomy() for word in label.spellings}
_INNER_CAPITAL: Final = re.compile(r"(?<=[a-z]{2})(?=[A-Z][a-z])")  # PleuralEffusion


def guessed(name: str) -> str | None:
    """Return the label id that a class name means, :data:`NO_FINDING`, or None where it cannot be told."""
    if "?" in name:
        return None
    words = _words(name)
    if " ".join(words) in _NOTHING:
        return NO_FINDING
    known = taxonomy().named(name)
    if known is not None:
        return known.id
    if _NEVER & set(words):
        return None
    for kept in (words, [word for word in words if word not in _BESIDE]):
        for form in (kept, [*kept[:-1], *(_singular(word) for word in kept[-1:])]):
            label = taxonomy().named(" ".join(form))
            if label is not None:
                return label.id
    # a normal chest; normal lungs say nothing of the heart
    return NO_FINDING if words[:1] in (["normal"], ["healthy"]) and set(words[1:]) <= _LOOKED_AT else None


class ClassMap:
    """Class names → what they mean, and what became of each class that was met.

    ``given``: name → a label's id or name, :data:`SKIP`, or a word for no finding; raises ``UNKNOWN_LABEL`` for
    another. ``keep_unknown``: a class that nothing is known of is left out and remembered, not refused.
    """

    __slots__ = ("_given", "_keep_unknown", "_left", "_met", "_unused", "unknown")

    def __init__(self, given: Mapping[str, str] | None = None, *, keep_unknown: bool = False) -> None:
        """Check what the names are to mean."""
        self._keep_unknown = keep_unknown
        self.unknown: dict[str, tuple[str, int]] = {}
        self._given = {name.strip(): _meant(name, meaning) for name, meaning in (given or {}).items()}
        self._met: dict[str, tuple[str, int]] = {}
        self._unused: dict[str, None] = {}
        self._left: Counter[str] = Counter()

    @classmethod
    def of(cls, names: ClassNames) -> ClassMap:
        """Return ``names`` as a class map, one that is given as it is."""
        return names if isinstance(names, cls) else cls(names)  # type: ignore[arg-type]  # the branch above took it

    def meaning(self, name: object, where: str, *, ours: bool) -> str:
        """Return the label id that a class name means, :data:`SKIP` or :data:`NO_FINDING`.

        ``ours``: lungspot wrote the file, so that any id will do. Raises :class:`DatasetError` ``UNKNOWN_LABEL``.
        """
        if isinstance(name, str):
            meant = self.look_up(name, ours=ours)
            if ours and meant == name and meant not in {SKIP, NO_FINDING}:  # our own file: nothing to tell
                return meant
            if meant is not None:
                self._met[name] = (meant, self._met.get(name, ("", 0))[1] + 1)
                return meant
            if self._keep_unknown:
                first, number = self.unknown.get(name, (where, 0))
                self.unknown[name] = (first, number + 1)
                return SKIP
        shown = str(name)[:80]
        advice = f"say what it means: --class-map '{shown}=LABEL', or '{shown}=-' to leave it out"
        raise DatasetError("UNKNOWN_LABEL", where, f"no label is called {name!r}", advice=advice)

    @property
    def keeps_unknown(self) -> bool:
        """Whether an unknown class is left out and remembered."""
        return self._keep_unknown

    def keeping_unknown(self) -> ClassMap:
        """Return a class map of the same meanings that leaves out what it does not know, and remembers it."""
        return ClassMap(self._given, keep_unknown=True)

    def knowing(self, labels: Iterable[str]) -> ClassMap:
        """Return a class map of the same meanings that knows these labels by their ids, too."""
        return ClassMap({label: label for label in labels} | self._given, keep_unknown=self._keep_unknown)

    def take_over(self, other: ClassMap) -> None:
        """Add what another class map has met."""
        self._met |= other._met
        self._unused |= other._unused
        self._left |= other._left

    def look_up(self, name: str, *, ours: bool = False) -> str | None:
        """Return :meth:`meaning` without a trace, None where nothing is known."""
        if name.strip() in self._given:
            return self._given[name.strip()]
        return name if ours and is_label_id(name) else guessed(name)

    def named(self, name: str) -> str | None:
        """Return what the caller says that a name means, or the label that is called just so; never a guess."""
        if name.strip() in self._given:
            return self._given[name.strip()]
        label = taxonomy().named(name.strip())
        return None if label is None else label.id

    def unused(self, name: str) -> None:
        """Say that a file lists a class and no annotation uses it."""
        self._unused[name] = None

    def passed_over(self, name: str, number: int) -> None:
        """Say that a class is left out because nothing is known of it, where that is no fault."""
        self._met[name] = (SKIP, number)

    def left_out(self, what: str, boxes: int) -> None:
        """Say that boxes which are nobody's answer were left out: ``predictions``, ``drafts``, ``skipped tasks``."""
        self._left[what] += boxes

    def became(self) -> Iterator[tuple[str, str, int]]:
        """Yield each class that was met, what it was taken for, and how often; then those that nothing used."""
        yield from ((name, meant, number) for name, (meant, number) in self._met.items())
        yield from ((name, "", 0) for name in self._unused if name not in self._met)

    def summary(self) -> str:
        """Return one line that says what became of every class; empty where none was met."""
        parts = []
        for name, meant, number in self.became():
            if not number:
                parts.append(f"{name}: not used")
            elif meant == SKIP:
                parts.append(f"{name}: left out ({number})")
            else:
                parts.append(f"{name} → {'all absent' if meant == NO_FINDING else meant} ({number})")
        parts += [f"boxes of {what}: left out ({number})" for what, number in self._left.items() if number]
        return "; ".join(parts)


def suggestion(name: str) -> str:
    """Return the option that would map a class, with the nearest label where there is one."""
    known = {form.lower(): label.id for label in taxonomy() for form in (label.id.replace("_", " "), label.name)}
    near = get_close_matches(" ".join(re.findall(r"[a-z0-9]+", name.lower())), known, n=1, cutoff=0.8)
    doubted = "?" in name or _NEVER & set(_words(name))
    meant = known[near[0]] if near and not doubted else "LABEL"
    return f"--class-map '{name}={meant}', or '{name}=-' to leave it out"


def read_class_map(words: list[str] | None) -> ClassMap:
    """Return the class map of ``NAME=LABEL`` and ``NAME=-`` words and of files; raises :class:`InputError`.

    A file holds lines ``NAME=LABEL`` (``#`` begins a comment), or a mapping in YAML or JSON.
    """
    given: dict[str, str] = {}
    for word in words or ():
        path = Path(word)
        if "=" in word and not path.is_file():
            name, _, meaning = word.rpartition("=")
            given[name] = meaning
        else:
            given |= _file(path)
    return ClassMap(given)


def _file(path: Path) -> dict[str, str]:
    advice = "give NAME=LABEL, NAME=-, or a file of such lines"
    try:
        text = regular(path).read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError("BAD_VALUE", path, f"no class map ({error})", advice=advice) from error
    if path.suffix.lower() in {".json", ".yaml", ".yml"}:
        try:
            value = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - builds texts, lists and mappings only
        except (yaml.YAMLError, RecursionError) as error:
            raise InputError("BAD_VALUE", path, f"not YAML ({' '.join(str(error).split())[:120]})") from error
        if not isinstance(value, dict) or not all(isinstance(meaning, str) for meaning in value.values()):
            raise InputError("BAD_VALUE", path, "not a mapping of names to labels", advice=advice)
        return {str(name): meaning for name, meaning in value.items()}
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if wrong := next((line for line in lines if "=" not in line), None):
        raise InputError("BAD_VALUE", path, f"{wrong[:80]!r} is not NAME=LABEL", advice=advice)
    return {name.strip(): meaning for name, _, meaning in (line.rpartition("=") for line in lines)}


def _meant(name: str, meaning: str) -> str:
    text = meaning.strip()
    if text == SKIP or " ".join(re.findall(r"[a-z]+", text.lower())) in _NOTHING:
        return SKIP if text == SKIP else NO_FINDING
    label = taxonomy().named(text)
    if label is None and not is_label_id(text):
        advice = "lungspot info --labels lists them; - leaves the class out"
        raise InputError("UNKNOWN_LABEL", name, f"no label is called {text!r}", advice=advice)
    return text if label is None else label.id


def _words(name: str) -> list[str]:
    """Return the words of a name in small letters, as the taxonomy spells them; ``PleuralEffusion`` has two."""
    words = re.findall(r"[a-z0-9]+", _INNER_CAPITAL.sub(" ", name).lower())
    return [_SPELLED.get(word, word) for word in words]


def _singular(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    for many, one in (("tases", "tasis"), ("races", "rax"), ("ities", "ity")):  # atelectases, pneumothoraces, opacities
        if word.endswith(many):
            return word[: -len(many)] + one
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "is", "us")) else word
