"""A report to copy: technique, comparison, findings by region, impression, in words of a template and no others.

The sections are those of RSNA's RadReport templates of chest radiographs. Each language is a file of templates,
``text-LANGUAGE.json``; nothing here writes a word of its own. What no person has judged says so, with its percentage;
names that a film cannot tell apart are said to be just that; what was not looked for is never called absent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import Any, Final

from lungspot.detect import SiteMark
from lungspot.errors import InputError
from lungspot.findings import DISEASES, Organ, Side, taxonomy
from lungspot.report.analysis import Analysis, Refusal
from lungspot.report.changes import Before, Change, Changes, ChangeWord
from lungspot.report.measurements import Kind
from lungspot.report.observations import Observation, Review, observations
from lungspot.report.ratio import ratio_of
from lungspot.report.statement import Name, Statement, label_of, statement
from lungspot.report.words import why

__all__ = ["LANGUAGES", "ReportText", "language_name", "report_text", "templates"]

_FILE: Final = "text-{}.json"
_GREYS: Final = ("mean", "deviation", "least", "most")
_REGIONS: Final = {  # region → the organs that it speaks of
    "lung": (Organ.LUNG,),
    "pleura": (Organ.PLEURA,),
    "heart": (Organ.HEART, Organ.MEDIASTINUM),
    "bone": (Organ.BONE,),
    "chest": (Organ.CHEST,),
}


def _languages() -> tuple[str, ...]:
    names = (path.name for path in resources.files("lungspot.report").iterdir())
    found = {name[5:-5] for name in names if name.startswith("text-") and name.endswith(".json")}
    return ("en", *sorted(found - {"en"}))


# The languages that a report can be written in, by their codes (ISO 639-1), English first.
LANGUAGES: Final = _languages()


@dataclass(frozen=True, slots=True)
class Compared:
    """What changed against the patient's film that was at hand: lines of :class:`~lungspot.report.changes.Changes`.

    ``days``: how much earlier that film was taken, None where not known. Each line with its words (name and place) in
    the report's language; ``lines`` None where the two could not be compared. ``sentence``: how many places became
    what; empty where places could not be compared. ``before``: the film itself.
    """

    days: int | None
    lines: Changes | None
    words: dict[Observation, str] = field(default_factory=dict)
    sentence: str = ""
    before: Before | None = None


@dataclass(frozen=True, slots=True)
class ReportText:
    """A film's report in words.

    ``findings``: (region, sentences), from the lungs outward; ``impression``: its points, most urgent first. ``head``:
    who read the film, and that it is for research only. ``headings``: by section, in the report's language.
    ``measurements``: what a reader measured; empty where nothing was. ``compared``: what ``comparison`` says, in
    values; None where no other film of the patient was at hand.
    """

    language: str
    head: str
    technique: str
    comparison: str
    findings: tuple[tuple[str, str], ...]
    impression: tuple[str, ...]
    note: str
    headings: dict[str, str]
    measurements: str = ""
    compared: Compared | None = None

    @property
    def text(self) -> str:
        """The whole report, one line a section or region, ready to be pasted."""
        points = [f"{number}. {each}" for number, each in enumerate(self.impression, 1)]
        lines = [
            *(self.head, ""),
            f"{self.headings['technique']}: {self.technique}",
            f"{self.headings['comparison']}: {self.comparison}",
            *(("", f"{self.headings['findings']}:") if self.findings else ()),
            *(f"{region}: {sentences}" for region, sentences in self.findings),
            *((f"{self.headings['measurements']}: {self.measurements}",) if self.measurements else ()),
            *("", f"{self.headings['impression']}:"),
            *(points if len(points) > 1 else self.impression),
            *(("", f"{self.headings['note']}: {self.note}") if self.note else ()),
        ]
        return "\n".join(lines) + "\n"


def report_text(
    result: Analysis | Refusal,
    *,
    language: str = "en",
    experimental: bool = False,
    review: Review | None = None,
    before: Before | None = None,
) -> ReportText:
    """Return the report of one film in one of :data:`LANGUAGES`.

    ``experimental``: experimental labels too, marked as such. ``review``: a reader's, whose word counts.
    ``before``: the patient's film to compare with, None where none is at hand.
    Raises InputError ``BAD_VALUE`` for a language that is none.
    """
    words = _Words(language)
    told = statement(result, experimental=experimental)
    if isinstance(result, Refusal):
        return words.refused("lungspot", result.reasons, None, before)
    model = f"{result.model.card.name} {result.model.card.version}"
    if not result.assessed and not (review and review.verdicts):
        return words.refused(model, result.reasons, review, before)
    lines = observations(result, told, review)
    compared = words.compared(before, lines)
    return ReportText(
        language,
        words.head(model, review),
        words.technique(result, model),
        words.comparison(compared),
        tuple(words.regions(result, told, lines, review)),
        tuple(words.impression(told, lines, review)),
        words.note(lines, review, result.model.card.site),
        words.own["headings"],
        words.measurements(review),
        compared,
    )


def language_name(language: str) -> str:
    """Return what a language of :data:`LANGUAGES` calls itself."""
    return str(templates(language)["name"])


class _Words:
    """The templates of one language, and how they are filled."""

    def __init__(self, language: str) -> None:
        if language not in LANGUAGES:
            raise InputError("BAD_VALUE", "language", f"{language!r} is none of {', '.join(LANGUAGES)}")
        self.own, self._language = templates(language), language

    def head(self, model: str, review: Review | None) -> str:
        by = self.own["by"]
        who = by["nobody"] if review is None else by["reader" if review.reader else "unnamed"]
        who = who.format(reader="" if review is None else " ".join(_clean(review.reader).split()))
        return str(self.own["head"].format(model=model, by=who))

    def technique(self, result: Analysis, model: str) -> str:
        film = result.radiograph
        words = [self.own["view"][film.view], self.own["point"].format(model=model, point=self._point(result.point))]
        if (site := result.model.card.site) is not None:
            words.append(self.own["site"].format(site=_clean(site.name), made=site.made))
        if not result.assessed:
            words = [self.own["view"]["refused"]]
        codes = dict.fromkeys(notice.code for notice in (*film.notices, *result.notices))
        words += [self.own["notices"][code] for code in codes if code in self.own["notices"]]
        if result.assessed and result.left_side is None:
            words.append(self.own["sides_unknown"])
        return " ".join(words)

    def comparison(self, compared: Compared | None) -> str:
        """Return which film was compared with, and what changed."""
        own = self.own["comparison"]
        if compared is None:
            return str(own["none"])
        days, found = compared.days, compared.lines
        key = "undated" if days is None else "later" if days < 0 else {0: "same_day", 1: "one_day"}.get(days, "days")
        words = [own[key].format(days=days)]
        if found is None:
            return " ".join((*words, own["uncompared"]))
        if compared.sentence:
            return " ".join((*words, compared.sentence, *self._clauses(compared, found), own["caution"]))
        for part, some in (("new", found.new), ("gone", found.gone), ("both", found.both)):
            if some:
                words.append(own[part].format(names=self._listed(compared, some)))
        return " ".join((*words, own["caution"] if found.new or found.gone or found.both else own["neither"]))

    def _clauses(self, compared: Compared, found: Changes) -> Iterator[str]:
        """Yield what became of places, a sentence a word."""
        groups: dict[str, list[Change]] = {}
        for change in found.every:
            alike = change.word is ChangeWord.SAME and change.marked != "both"
            groups.setdefault("alike" if alike else str(change.word), []).append(change)
        for word, template in self.own["comparison"]["words"].items():
            if word in groups:
                yield template.format(names=self._listed(compared, [change.line for change in groups[word]]))

    @staticmethod
    def _listed(compared: Compared, lines: Iterable[Observation]) -> str:
        return "; ".join(dict.fromkeys(compared.words[line] for line in lines))

    def compared(self, before: Before | None, lines: Sequence[Observation] | None = None) -> Compared | None:
        """Return what changed; ``lines``: of this film, None where it has none."""
        if before is None:
            return None
        found = before.against(lines)
        every = () if found is None else found.every
        words = {line: self._brief(line) for each in every for line in (each.now, each.before) if line is not None}
        own, sentence = self.own["comparison"], ""
        if before.aligned is not None and found is not None and every:
            counts = [(len(found.of(word)), own["counts"][str(word)]) for word in ChangeWord]
            told = ", ".join(template.format(count=count) for count, template in counts if count)
            sentence = own["sentence"].format(counts=told)
        return Compared(before.days, found, words, sentence, before)

    def regions(
        self, result: Analysis, told: Statement, lines: Sequence[Observation], review: Review | None
    ) -> Iterator[tuple[str, str]]:
        for region, organs in _REGIONS.items():
            mine = [line for line in lines if taxonomy()[line.labels[0]].organ in organs]
            words = [f"{_capital(self._line(line))}." for line in mine]
            if region == "heart":
                words += self._ratio(result, review)
            words += self._rest(result, told, lines, review, organs)
            if words or region != "chest":
                yield self.own["regions"][region], " ".join(words) or self.own["nothing_assessed"]

    def impression(self, told: Statement, lines: Sequence[Observation], review: Review | None) -> Iterator[str]:
        for line in lines:
            yield f"{_capital(self._line(line, short=True))}."
        own = self.own["no_findings"]
        if told.reasons:
            yield self._not_assessed(told.reasons)
        elif not lines:
            key = "model" if review is None else "complete" if review.complete else "partial"
            yield own[key].format(point=self._point(told.point))

    def note(self, lines: Iterable[Observation], review: Review | None, site: SiteMark | None) -> str:
        words = [] if review is None else [_clean(review.note)]
        if not all(line.judged for line in lines):
            fitted = () if site is None else site.probabilities
            key = "percentages_of_site" if fitted else "percentages"
            labels = self.own["list"][0].join(self._name(label) for label in fitted)
            words.append(self.own[key].format(site="" if site is None else _clean(site.name), labels=labels))
        return " ".join(filter(None, words))

    def refused(self, model: str, reasons: Sequence[str], review: Review | None, before: Before | None) -> ReportText:
        """Return the report of a film that was not assessed, and on which nobody marked anything."""
        words, compared = self._not_assessed(reasons), self.compared(before)
        return ReportText(
            self._language,
            self.head(model, review),
            self.own["view"]["refused"],
            self.comparison(compared),
            (),
            (words,),
            self.note((), review, None),
            self.own["headings"],
            self.measurements(review),
            compared,
        )

    def _not_assessed(self, reasons: Sequence[str]) -> str:
        known = self.own["reasons"]
        words = [known.get(code) or known.get("", why(code)).format(code=code) for code in reasons]
        return str(self.own["not_assessed"].format(reasons="; ".join(words)))

    def _line(self, line: Observation, *, short: bool = False) -> str:
        words = self._named(line)
        if line.judged:
            return words
        return f"{words}{self.own['open_short'] if short else self._open(line.names)}"

    def _named(self, line: Observation) -> str:
        """Return what is found and where, without saying who says so."""
        where = self._where(line)
        names = [self._name(label) for label in line.labels]
        if len(names) == 1:
            return str(self.own["single"].format(name=names[0], where=where))
        group = self._name(label_of(line.names))
        return str(self.own["alike"].format(group=group, where=where, names=self._joined(names)))

    def _brief(self, line: Observation) -> str:
        """Return what is found and where; of look-alikes their group."""
        return str(self.own["single"].format(name=self._name(label_of(line.names)), where=self._where(line)))

    def _open(self, names: Sequence[Name]) -> str:
        single = len(names) == 1
        numbers = ", ".join(
            each.percentage if single else f"{self._name(each.label)} {each.percentage}" for each in names
        )
        tried = all(name.experimental for name in names)
        return str(self.own["open_experimental" if tried else "open"].format(numbers=numbers))

    def _where(self, line: Observation) -> str:
        own = self.own["where"]
        if not line.boxed:
            return str(own["whole"])
        side, prefix = (line.side, "") if line.side else (line.picture_side, "picture ")
        zone = str(line.zone or "")
        if side is None:
            return str(own["nowhere"][zone])
        lung = taxonomy()[line.labels[0]].organ is Organ.LUNG
        key = "bilateral" if side is Side.BILATERAL else f"{prefix}{side}"
        return str(own[key][zone or ("lung" if lung else "")])

    def _rest(
        self,
        result: Analysis,
        told: Statement,
        lines: Sequence[Observation],
        review: Review | None,
        organs: Sequence[Organ],
    ) -> Iterator[str]:
        """Yield what is said of the labels of a region that no line speaks of: not seen, not marked, not assessed."""
        found = {label for line in lines for label in line.labels}
        states = {} if result.reading is None else result.reading.states
        looked_for = [label for label in states if label not in found]
        absent = list(looked_for) if review is not None and review.complete else []
        absent += [label for label in (review.absent if review else ()) if label not in {*absent, *found}]
        unmarked = [label for label in looked_for if label not in {*absent, *told.unsaid}]
        known = (label for label in (*told.unsaid, *(d for d in DISEASES if d not in states)) if label not in found)
        unassessed = [label for label in known if label not in absent]
        for key, labels in (("absent", absent), ("unmarked", unmarked), ("unassessed", unassessed)):
            mine = [self._name(label) for label in labels if taxonomy()[label].organ in organs]
            if mine:
                yield self.own[key].format(names=", ".join(mine))

    def measurements(self, review: Review | None) -> str:
        """Return what a reader measured, but for the ratio, which stands beside the heart."""
        counts: dict[str, int] = {}
        words = []
        for each in () if review is None else review.measurements:
            if each.kind is Kind.RATIO:
                continue
            counts[each.kind] = counts.get(each.kind, 0) + 1
            value = self._quantity(each.value, each.unit)
            greys = {} if each.greys is None else {name: self._number(getattr(each.greys, name), 1) for name in _GREYS}
            how = {"number": counts[each.kind], "value": value, "area": value} | greys
            words.append(self.own["measurement"][each.kind].format(**how))
        return " ".join(words)

    def _quantity(self, value: float, unit: str) -> str:
        """Return a value with its unit, as exact as a ruler on a film is."""
        if unit == "deg":
            return f"{self._number(value, 1)}°"
        if unit == "mm2":
            return f"{self._number(value / 100, 1)} cm²"
        digits = 1 if unit == "mm" and value < 100 else 0
        return f"{self._number(value, digits)} {unit.replace('2', '²')}"

    def _ratio(self, result: Analysis, review: Review | None) -> Iterator[str]:
        said, own = ratio_of(result, review), self.own["ratio"]
        if said is not None:
            yield own[said.key].format(ratio="" if said.value is None else self._number(said.value, 2))
            yield from (own[note] for note in said.notes)

    def _number(self, value: float, digits: int) -> str:
        return f"{value:.{digits}f}".replace(".", self.own["decimal"])

    def _name(self, label: str) -> str:
        """Return a label's name as it stands inside a sentence."""
        name = self.own["labels"].get(label) or taxonomy()[label].name
        plain = self.own["lower_case"] and not name[1:2].isupper()
        return name[:1].lower() + name[1:] if plain else name

    def _joined(self, names: Sequence[str]) -> str:
        comma, last = self.own["list"]
        return str(last).join(filter(None, (comma.join(names[:-1]), names[-1])))

    def _point(self, point: str) -> str:
        return str(self.own["points"][point])


@lru_cache(maxsize=8)
def templates(language: str) -> dict[str, Any]:
    """Return the templates of a language of :data:`LANGUAGES`, as its file has them."""
    path = resources.files("lungspot.report").joinpath(_FILE.format(language))
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value


def _clean(text: str) -> str:
    """Return a person's words without what no text file or XML can hold: control characters and lone surrogates."""
    kept = "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)
    return kept.encode("utf-8", "replace").decode().strip()


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
