"""Write docs/model-card.md, docs/images/calibration.png and the README.md of the weights from the shipped card.

The README.md has the head that Hugging Face reads (licence, task, numbers with intervals) and lies beside the weights.
With --check, say whether the page is out of date (exit 1). The numbers were put into the card by `lungspot export`.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from matplotlib.figure import Figure

from lungspot.detect import AnatomyCard, ModelCard, load_detector

ROOT = Path(__file__).resolve().parent.parent
_STANDING = (
    "Which labels are said in every result, and which only where they are asked for; "
    "[the rule](explanation/standing.md) came before the numbers.\nAt the balanced operating point, on val.\n"
)
PAGE = ROOT / "docs" / "model-card.md"
PICTURE = ROOT / "docs" / "images" / "calibration.png"
README = ROOT / "src" / "lungspot" / "weights" / "README.md"
_USE = """```python
import lungspot

result = lungspot.analyze("film.dcm")
```
"""


def main() -> None:
    """Write or check the page."""
    detector = load_detector()
    pages = {PAGE: page(detector.card, detector.sha256), README: readme(detector.card, detector.sha256)}
    if "--check" in sys.argv:
        old = [path for path, text in pages.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
        if old:
            sys.exit(f"out of date: {', '.join(str(path.relative_to(ROOT)) for path in old)}; run `make docs`")
        return
    for path, text in pages.items():
        path.write_text(text, encoding="utf-8")
    draw(detector.card)


def readme(card: ModelCard, sha256: str) -> str:
    """Return the page, without links, as a README.md for a hub of models: before it a head that programs read."""
    body = re.sub(r"!\[[^]]*\]\([^)]*\)\n", "", page(card, sha256))
    body = re.sub(r"\[([^]]+)\]\((?!https?:)[^)]*\)", r"\1", body)
    head = ModelCardData(
        model_name=f"{card.name} {card.version}",
        license="other",
        license_name="research-non-commercial",
        pipeline_tag="object-detection",
        library_name="onnx",
        language="en",
        tags=["chest-x-ray", "radiology", "dicom", "onnx", "research-only", "not-for-clinical-use"],
        eval_results=list(results(card)),
    )
    return f"---\n{head.to_yaml()}\n---\n{body}\n## How to use it\n\n{_USE}"


def results(card: ModelCard) -> Iterator[EvalResult]:
    """Yield the numbers of test as a hub's model index has them, each with its 95 % interval if it has one."""
    test = card.metrics["test"]

    def result(kind: str, name: str, value: float, ends: list[float] | None = None, **how: Any) -> EvalResult:  # noqa: ANN401
        return EvalResult(
            task_type="object-detection",
            dataset_type="lungspot-test",
            dataset_name=f"lungspot, test split of public sets ({test['films']} films)",
            dataset_split="test",
            metric_type=kind,
            metric_name=name,
            metric_value=value,
            metric_args=how | ({} if ends is None else {"ci95": list(ends)}),
        )

    for iou in ("0.3", "0.4", "0.5"):
        yield result("mean_average_precision", f"mAP@{iou}", test[f"map{iou}"], iou=float(iou))
    yield result("roc_auc", "mean AUROC, by film", test["auroc"])
    for label, of in test["labels"].items():
        count = {"label": label, "films_with": of["positive"], "films_without": of["negative"]}
        if of["ap0.4"] is not None:
            boxes = count | {"iou": 0.4, "boxes": of["boxes"]}
            yield result("average_precision", f"AP@0.4, {label}", of["ap0.4"], of["ci95"]["ap0.4"], **boxes)
        if of["auroc"] is not None:
            yield result("roc_auc", f"AUROC, {label}", of["auroc"], of["ci95"]["auroc"], **count)


def page(card: ModelCard, sha256: str) -> str:
    """Return the page's Markdown."""
    test, val = card.metrics["test"], card.metrics["val"]
    labels = test["labels"]
    used = (
        f"**{card.intended_use}** Not a medical device. It marks findings for people who study films and methods; it\n"
        "does not say what a patient has, and it must not decide anything about a patient.\n"
    )
    given = (
        f"Input: one upright frontal chest film of an adult, {card.input_size} x {card.input_size} pixels after "
        f"preparation.\nLabels: {', '.join(card.labels)}.\nFile: SHA-256 `{sha256}`; layout: "
        "[model file](reference/model-format.md);\nhow it came about: [training log](explanation/training-log.md).\n"
    )
    sure = test["certain"]
    good = (
        f"Test, {test['films']} films: mAP@0.4 **{number(test['map0.4'])}** over the labels with boxes\n"
        f"({number(test['map0.4_four'])} over effusion, pneumonia, COVID-19 and tuberculosis), mAP@0.3 "
        f"{number(test['map0.3'])},\nmAP@0.5 {number(test['map0.5'])}; mean AUROC **{number(test['auroc'])}**.\n"
        f"Without films whose label is doubtful: mAP@0.4 {number(sure['map0.4'])} ({number(sure['map0.4_four'])}),"
        f" AUROC {number(sure['auroc'])}.\nVal, on which it was chosen: mAP@0.4 {number(val['map0.4'])}, AUROC "
        f"{number(val['auroc'])}.\nReaders agree with each other at an IoU of .25 to .5 for most of these findings, so "
        "0.4 is already strict.\n"
    )
    calibrated = (
        "Scores are probabilities on val by construction (Platt); elsewhere they are not: how often a finding occurs "
        "in a\nhospital differs from these sets.\n"
    )
    parts = [
        "<!-- made by `make docs` from the card inside the model file; edit the code, not this page -->\n",
        f"# Model card: {card.name} {card.version}\n",
        used,
        given,
        "## Data and terms\n",
        f"{card.licence}\n",
        f"{card.terms}\n",
        "Trained on:\n",
        *[f"- {line}" for line in card.training_data],
        "\nThe films of val chose and calibrated, those of test (other patients) were read for the table.\n",
        "## How good\n",
        good,
        "Intervals are 95 %, from 200 resamples of patients.\n",
        "| label | boxes | films with / without | AP@0.3 | AP@0.4 | AP@0.5 | AUROC | sure films: AP@0.4, AUROC |",
        "|---|---|---|---|---|---|---|---|",
        *[row(label, values) for label, values in labels.items()],
        "\n## By source\n",
        "| label | source | boxes | films with / without | AP@0.4 | AUROC |",
        "|---|---|---|---|---|---|",
        *[
            f"| {label} | {source} | {of['boxes']} | {of['positive']} / {of['negative']} | {number(of['ap0.4'])} | "
            f"{number(of['auroc'])} |"
            for label, values in labels.items()
            for source, of in values["source"].items()
        ],
        "\n## Known weak spots\n",
        *[f"- {note}" for note in card.notes],
        "\n## Shortcuts\n",
        *shortcuts(card.metrics),
        "\n## Calibration\n",
        calibrated,
        "![What was promised and what came true, per label](images/calibration.png)\n",
        "## Thresholds\n",
        "| label | box: sensitive, balanced, specific | film: sensitive, balanced, specific |",
        "|---|---|---|",
        *[thresholds(card, label) for label in card.labels],
        "",
    ]
    if card.standing:
        parts += ["## Standing\n", _STANDING, *standings(card), "", places(card)]
    if card.anatomy is not None:
        parts += ["## Anatomy\n", anatomy(card.anatomy), *nested(card.anatomy.tested_on, 0), ""]
    if card.gate is not None:
        parts += ["## Gate\n", "What it was tested on, and how it did:\n", *nested(card.gate.tested_on, 0), ""]
    return filled("\n".join(parts))


def filled(text: str) -> str:
    """Return Markdown with its prose in lines of at most 120 characters; a row of a table stays one line."""
    blocks = []
    for block in text.split("\n\n"):
        lines = block.split("\n")
        if not any(line.startswith(("|", "#", "<", "!")) or line.lstrip().startswith("- ") for line in lines):
            lines = [" ".join(lines).strip()]
        blocks.append("\n".join(line if line.startswith("|") else _wrapped(line) for line in lines))
    return "\n\n".join(blocks)


def _wrapped(line: str) -> str:
    below = " " * (len(line) - len(line.lstrip(" -")))
    return textwrap.fill(line, 120, subsequent_indent=below, break_long_words=False, break_on_hyphens=False)


def row(label: str, values: dict[str, Any]) -> str:
    """Return one label's line."""
    ap, area = values["ci95"]["ap0.4"], values["ci95"]["auroc"]
    sure = values["certain"]
    cells = (
        label,
        values["boxes"],
        f"{values['positive']} / {values['negative']}",
        number(values["ap0.3"]),
        number(values["ap0.4"]) + interval(ap),
        number(values["ap0.5"]),
        number(values["auroc"]) + interval(area),
        f"{number(sure['ap0.4'])}, {number(sure['auroc'])}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def shortcuts(metrics: dict[str, Any]) -> list[str]:
    """Return what the probe and the false positives say."""
    lines = []
    for name, what in (("all", "all test films"), ("normals", "test films that show nothing")):
        if probe := metrics["source_probe"].get(name):
            lines.append(
                f"- A linear probe on the features names the dataset of {100 * probe['accuracy']:.0f} % of {what} "
                f"({probe['films']} films, {probe['sources']} datasets; always naming the commonest: "
                f"{100 * probe['majority']:.0f} %)."
            )
    lines += ["\nBoxes at the balanced operating point per 100 films that show nothing, by source:\n"]
    table = metrics["false_positives_per_100_normals"]
    sources = sorted({source for of in table.values() for source in of})
    lines += [f"| label | {' | '.join(sources)} |", "|---" * (len(sources) + 1) + "|"]
    lines += [
        f"| {label} | {' | '.join(str(of.get(source, '')) for source in sources)} |" for label, of in table.items()
    ]
    return lines


def thresholds(card: ModelCard, label: str) -> str:
    """Return one label's thresholds."""
    points = [card.threshold(label, point) for point in ("sensitive", "balanced", "specific")]
    return f"| {label} | {', '.join(f'{p.box:.3f}' for p in points)} | {', '.join(f'{p.image:.3f}' for p in points)} |"


def standings(card: ModelCard) -> list[str]:
    """Return the table of standings with the numbers that they were judged by."""
    lines = [
        "| label | standing | judged on | films that show it | AUROC, sure films | called | right | boxes right |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for label, standing in card.standing.items():
        of = card.metrics["standing"][label]
        cells = [label, f"**{standing}**" if card.is_reported(label) else str(standing)]
        cells += [str(of["source"] or "no source"), plain(of["positive"]), number(of["auroc"]), plain(of["called"])]
        cells += [number(of["calls_right"]), number(of["boxes_right"])]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def places(card: ModelCard) -> str:
    """Return what the card says of places."""
    rule = card.place_rule
    return (
        f"Boxes show one place where their intersection over union is at least {rule.iou:g}; those of look-alikes also "
        f"where the\nsmaller lies in the larger by at least {rule.cover:g} (chosen on val).\n"
    )


def anatomy(known: AnatomyCard) -> str:
    """Return what the numbers of heart, lungs and mirror images are."""
    return (
        "Heart, left and right lung of JSRT and Wingspan, and mirror images of all sources, on test. A film counts as "
        f"mirrored\nfrom a probability of {known.sure:g}, as not mirrored up to {1 - known.sure:.3g} (chosen on val).\n"
    )


def plain(value: int | None) -> str:
    """Return a count, or nothing."""
    return "" if value is None else str(value)


def nested(facts: Mapping[str, Any], depth: int) -> list[str]:
    """Return nested facts as a list."""
    lines = []
    for key, value in facts.items():
        if isinstance(value, Mapping):
            lines += [f"{'  ' * depth}- {key}:", *nested(value, depth + 1)]
        else:
            lines.append(f"{'  ' * depth}- {key}: {value}")
    return lines


def number(value: float | None) -> str:
    """Return a score as people write it."""
    return "" if value is None else f"{value:.3f}".removeprefix("0")


def interval(ends: list[float] | None) -> str:
    """Return a 95 % interval in brackets."""
    return "" if ends is None else f" ({number(ends[0])} to {number(ends[1])})"


def draw(card: ModelCard) -> None:
    """Draw the reliability of every label."""
    figure = Figure(figsize=(12, 5), layout="constrained")
    for axis, label in zip(figure.subplots(2, 5, sharex=True, sharey=True).flat, card.labels, strict=False):
        axis.plot([0, 1], [0, 1], color="0.8", linewidth=1)
        for kind, colour in (("image", "tab:blue"), ("box", "tab:orange")):
            if bins := card.reliability.get(label, {}).get(kind):
                axis.plot(bins["score"], bins["observed"], marker="o", markersize=3, color=colour, label=kind)
        axis.set_title(label, fontsize="medium")
    figure.supxlabel("promised (val)")
    figure.supylabel("came true")
    figure.axes[0].legend(frameon=False)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=80, metadata={"Software": None})


if __name__ == "__main__":
    main()
