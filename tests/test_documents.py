"""The documents are part of the build: they are current, their commands exist, and what they show runs."""

import functools
import importlib
import importlib.util
import inspect
import operator
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from tests.generated import write_third
from typer.main import get_command

from lungspot import __version__, errors
from lungspot.cli.app import app
from lungspot.detect import load_detector
from lungspot.errors import CODES
from lungspot.findings import taxonomy
from lungspot.images.radiograph import WARNINGS

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FENCE = re.compile(r"^(?P<mark><!-- run -->\n)?```(?P<language>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


def names(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def docs_tool():
    return runpy.run_path(str(ROOT / "tools" / "docs.py"))


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "AGENTS.md", "docs/README.md"]
)
def test_document_exists(name):
    assert read(name).startswith("# ")


@pytest.mark.parametrize("page", ["cli.md", "errors.md", "api.md"])
def test_reference_is_current(docs_tool, page):
    assert read(f"docs/reference/{page}") == docs_tool["PAGES"][page](), "run `make docs`"


def test_the_model_card_is_that_of_the_model():
    """As the reference pages: made from what ships, so that the two cannot part."""
    card = runpy.run_path(str(ROOT / "tools" / "model_card.py"))
    detector = card["load_detector"]()
    assert read("docs/model-card.md") == card["page"](detector.card, detector.sha256), "run `make docs`"
    assert read("src/lungspot/weights/README.md") == card["readme"](detector.card, detector.sha256), "run `make docs`"


def test_a_hub_of_models_reads_the_weights_readme():
    """By the hub's own parser: task, terms, and the card's numbers with their intervals."""
    model = load_detector().card
    card = ModelCard(read("src/lungspot/weights/README.md"))
    assert (card.data.license, card.data.pipeline_tag) == ("other", "object-detection")
    assert card.data.license_name
    of = {each.metric_name: each for each in card.data.eval_results}
    test = model.metrics["test"]
    assert of["mAP@0.4"].metric_value == test["map0.4"]
    for label, values in test["labels"].items():
        assert of[f"AUROC, {label}"].metric_value == values["auroc"]
        assert of[f"AUROC, {label}"].metric_args["ci95"] == list(values["ci95"]["auroc"])
    assert "Research use only" in card.text
    assert "not a medical device" in card.text.lower()
    assert not re.search(r"\]\((?!https?:)", card.text), "a link that leads nowhere on a hub"


def test_the_readme_says_which_labels_are_reported():
    card = load_detector().card
    reported = [taxonomy()[label].name.lower() for label in card.labels if card.is_reported(label)]
    (said,) = re.findall(r"explanation/standing\.md\): (.*?)\. The others are", " ".join(read("README.md").split()))
    assert sorted(said.lower().replace(" and ", ", ").split(", ")) == sorted(reported)


@functools.cache
def verbs():
    def walk(group, path):
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from walk(command, (*path, name))
            else:
                yield (*path, name), command

    return dict(walk(get_command(app), ()))


def test_every_verb_and_option_is_documented_with_words():
    page = read("docs/reference/cli.md")
    for words, command in verbs().items():
        assert f"## lungspot {' '.join(words)}\n" in page
        assert command.help, f"lungspot {' '.join(words)} has no help"
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts):
                if option.startswith("-"):
                    assert f"`{option}`" in page
                    assert parameter.help, f"lungspot {' '.join(words)} {option} has no help"


def test_every_code_is_documented():
    page = read("docs/reference/errors.md")
    assert [code for code in (*CODES, *WARNINGS) if f"| `{code}` |" not in page] == []


def test_the_tree_of_errors_has_every_class():
    page = read("docs/reference/errors.md")
    assert [name for name in errors.__all__ if name.endswith("Error") and f" {name}" not in page] == []
    tree = [line.split()[1] for line in page.splitlines() if line.startswith(("    ├── ", "    └── "))]
    assert tree == [kind.__name__ for kind in errors.LungspotError.__subclasses__()]


def test_every_value_says_what_it_is(docs_tool, tmp_path):
    """By the comment above it, beside it, or beside its name in its room's list; without one there is no page."""
    assert "A value of" not in read("docs/reference/api.md")
    lines = ["__all__ = [", '    "D",  # d', "]", "# a", "# more", "A = 1", 'B: Final = "#x"  # b', "C1, C = 1, 2  # c"]
    (tmp_path / "room.py").write_text("\n".join([*lines, "D = 4", "E = 5  # noqa: X"]))
    remark = docs_tool["remark"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(remark.__globals__, "module_file", lambda dotted: tmp_path / f"{dotted}.py")
        said = {name: remark("room", "room", name) for name in ("A", "B", "C", "D", "E", "F")}
        assert said == {"A": "a more", "B": "b", "C": "c", "D": "d", "E": "", "F": ""}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(remark.__globals__, "remark", lambda *_: "")
        with pytest.raises(SystemExit, match="no docstring and no comment say what"):
            docs_tool["api_page"]()


def test_every_public_name_is_documented(docs_tool):
    page = read("docs/reference/api.md")
    for init in (ROOT / "src" / "lungspot").glob("*/__init__.py"):
        if init.parent.name != "cli":
            for name in docs_tool["exported"](docs_tool["ast"].parse(init.read_text(encoding="utf-8"))):
                assert re.search(rf"^- \*\*`{re.escape(name)}\b", page, re.MULTILINE), f"{name} is not in api.md"


def test_the_changelog_has_this_version():
    assert re.search(rf"^## \[({re.escape(__version__)}|Unreleased)\]", read("CHANGELOG.md"), re.MULTILINE)


def make_targets():
    return set(re.findall(r"^([\w.-]+):", read("Makefile"), re.MULTILINE))


def shell_lines(text):
    for block in FENCE.finditer(text):
        if block["language"] in {"sh", "bash", "console"}:
            for line in block["body"].replace("\\\n", " ").splitlines():
                yield from (part.strip() for part in line.removeprefix("$ ").split(" | "))
    for line in re.findall(r"^    ((?:lungspot|make) .*)$", text, re.MULTILINE):
        yield from (part.strip() for part in line.split(" | "))


@pytest.mark.parametrize("path", PAGES, ids=names(PAGES))
def test_commands_in_documents_exist(path):
    known = verbs()
    text = path.read_text(encoding="utf-8")
    for line in (*shell_lines(text), *re.findall(r"`((?:lungspot|make) [^`]+)`", text)):
        words = shlex.split(line, comments=True)
        if words[:1] == ["make"]:
            assert [word for word in words[1:] if re.fullmatch(r"[a-z]+", word) and word not in make_targets()] == []
        elif words[:1] == ["lungspot"] and len(words) > 1 and not words[1].startswith("-"):
            verb = next((verb for verb in (tuple(words[1:3]), tuple(words[1:2])) if verb in known), None)
            if verb is None and words[1] in {first for first, *_ in known} and len(words) == 2:
                continue  # a group of verbs, named as such
            assert verb is not None, f"{path.name}: {line}"
            options = {option for p in known[verb].params for option in (*p.opts, *p.secondary_opts)} | {"--help", "-h"}
            given = {word.partition("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)}
            assert given <= options, f"{path.name}: {line}"


LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)(?:#[^)]*)?\)")


def test_links_lead_somewhere():
    assert runpy.run_path(str(ROOT / "tools" / "links.py"))["faults"](ROOT) == []


def test_no_document_holds_both_sides_of_a_merge():
    merges = re.compile(r"^(?:<{7}|>{7}|\|{7}) ", re.MULTILINE)
    assert merges.search("text\n<<<<<<< HEAD\none\n")
    assert [path.name for path in PAGES if merges.search(path.read_text(encoding="utf-8"))] == []


RUN = [
    pytest.param(path, block["language"], block["body"], id=f"{path.relative_to(ROOT)}-{number}")
    for path in PAGES
    for number, block in enumerate(FENCE.finditer(path.read_text(encoding="utf-8")))
    if block["mark"]
]


@pytest.fixture(scope="module")
def lungspot_on_path(warm, tmp_path_factory):
    """Folders to look for programs in: first ``lungspot`` without its start (tests/warm.py), then this Python's."""
    folder = tmp_path_factory.mktemp("bin")
    words = shlex.join([sys.executable, "-I", "-S", str(ROOT / "tests" / "warm.py"), "run", warm])
    (folder / "lungspot").write_text(f'#!/bin/sh\nexec {words} "$@"\n')
    (folder / "lungspot").chmod(0o755)
    return os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])


@pytest.mark.parametrize(("path", "language", "body"), RUN)
def test_what_documents_show_runs(path, language, body, rg1, lungspot_on_path, tmp_path):
    """Blocks marked ``<!-- run -->`` run in a folder that holds ``film.dcm``, ``films/`` and ``people.csv``.

    The films are a third as wide as they were: what is shown runs, and takes a processor half as long.
    """
    assert path.is_file()
    write_third(rg1["UNCI"], tmp_path / "film.dcm")
    (tmp_path / "films").mkdir()
    write_third(rg1["UNCR"], tmp_path / "films" / "one.dcm")
    shutil.copy(ROOT / "docs" / "how-to" / "people.csv", tmp_path)
    environment = os.environ | {"PATH": lungspot_on_path}
    command = [sys.executable, "-c", body] if language == "python" else ["bash", "-euo", "pipefail", "-c", body]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_readme_says_what_it_is_not():
    assert "not a medical device" in read("README.md").lower()
    assert "research use only" in read("README.md").lower()


# --- what no page may leave out -------------------------------------------------------------------------------------


def test_the_index_names_every_page():
    listed = {(ROOT / "docs" / link).resolve() for link in LINK.findall(read("docs/README.md"))}
    pages = {path for path in (ROOT / "docs").rglob("*.md") if path.parent.name != "adr"} - {
        ROOT / "docs" / "README.md"
    }
    assert names(pages - listed - {ROOT / "docs" / "README.md"}) == []
    assert (ROOT / "docs" / "adr" / "README.md") in listed


def test_the_index_of_decisions_has_no_hole():
    """Every record is listed under its number and title; a number that no record has is said to have none."""
    page = read("docs/adr/README.md")
    records = {path: int(path.name[:4]) for path in sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))}
    assert len(set(records.values())) == len(records)
    for path, number in records.items():
        title = re.match(rf"# {number}\. (.*)\n", path.read_text(encoding="utf-8"))
        assert title, f"{path.name} begins with its number and title"
        assert f"| [{number}]({path.name}) | {title[1]} |" in page
    assert len(re.findall(r"^\| \[\d+\]", page, re.MULTILINE)) == len(records)
    (unwritten,) = re.findall(r"^Numbers ([\d, and]+) were", page, re.MULTILINE)
    assert {int(number) for number in re.findall(r"\d+", unwritten)} == set(range(1, max(records.values()))) - {
        *records.values()
    }


EXTRAS = tomllib.loads(read("pyproject.toml"))["project"]["optional-dependencies"]


@pytest.mark.parametrize("path", PAGES, ids=names(PAGES))
def test_there_is_one_way_to_say_how_to_install(path):
    """`pip install .` in the folder of the sources, and an extra by name: pip adds it to what is there."""
    one = re.compile(r"pip install (\.(?![\w\[])|'lungspot\[(?P<extras>[\w,]+)\]'|lungspot`)")
    for line in path.read_text(encoding="utf-8").splitlines():
        for said in re.finditer(r"pip install (?!--no-index)", line):
            found = one.match(line, said.start())
            assert found, line
            assert set((found["extras"] or "dev").split(",")) <= EXTRAS.keys(), line


def test_every_extra_is_explained():
    page = read("docs/how-to/install.md")
    assert [name for name in EXTRAS if f"| `{name}` |" not in page] == []


# Steps that the module above them does not name: it is handed them.
HANDED_ON = {
    ("images.sandbox.run", "images.dicom.read_dicom"),
    ("images.sandbox.run", "images.raster.read_raster"),
}
WALK = re.compile(r"^<!-- walk -->\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_step_of_a_films_way_exists():
    page = read("docs/explanation/architecture.md")
    walks = WALK.findall(page)
    assert len(walks) == 4
    steps = [line.split()[0] for walk in walks for line in walk.splitlines()]
    values = re.findall(r"^\| (`.*?) \|", page.partition("## Values")[2].partition("## The way")[0], re.MULTILINE)
    steps += [name for cell in values for name in re.findall(r"`([\w.]+)`", cell)]
    assert len(steps) > 60
    for step in steps:
        assert found(step), step


def found(step):
    """Return the module or what it holds that a step names."""
    module, name = "lungspot", step.split(".")
    while name and importlib.util.find_spec(f"{module}.{name[0]}") is not None:
        module = f"{module}.{name.pop(0)}"
        if not hasattr(importlib.import_module(module), "__path__"):
            break
    return operator.attrgetter(".".join(name))(importlib.import_module(module)) if name else sys.modules[module]


def calls(walk):
    """Yield each step of a walk that stands below another, with that other."""
    above = {}
    for line in walk.splitlines():
        depth, step = len(line) - len(line.lstrip()), line.split()[0]
        if depth:
            yield above[depth - 4], step
        above[depth] = step


def source_of(step):
    """Return the source of the module that a step is defined in."""
    return inspect.getsource(inspect.getmodule(found(step)))


def test_a_step_is_called_where_the_step_above_it_is_defined():
    page = read("docs/explanation/architecture.md")
    pairs = [pair for walk in WALK.findall(page) for pair in calls(walk)]
    assert len(pairs) > 40
    stale = [
        (above, step)
        for above, step in pairs
        if (above, step) not in HANDED_ON and not re.search(rf"\b{step.rpartition('.')[2]}\b", source_of(above))
    ]
    assert stale == []
    for above, step in HANDED_ON:  # an exception that is none
        assert (above, step) in pairs
        assert step.rpartition(".")[2] not in source_of(above)


def test_what_is_said_of_a_step_stands_in_one_column():
    page = read("docs/explanation/architecture.md")
    lines = [line for walk in WALK.findall(page) for line in walk.splitlines() if len(line.split()) > 1]
    steps = [re.match(r"( *\S+) +", line) for line in lines]
    long = [step for step in steps if len(step[1]) > 42]
    assert {len(step[0]) for step in steps if step not in long} == {43}
    assert {len(step[0]) for step in long} == {48, 52}


def test_the_order_of_rooms_is_copied_nowhere():
    """It stands in the contract of pyproject.toml; a copy would be another order before long."""
    assert [path.name for path in ROOT.rglob("docs/**/*.md") if "→ formats → images" in path.read_text()] == []


def test_the_page_of_rooms_names_every_room():
    table = read("docs/explanation/architecture.md").partition("## Rooms")[2].partition("## Values")[0]
    rooms = {
        p.stem for p in (ROOT / "src" / "lungspot").iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()
    }
    assert rooms - {"__init__", "__main__"} == {name for name in re.findall(r"`(\w+)`", table) if name in rooms}
