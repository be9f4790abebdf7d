"""What each verb's help says is what it takes: words and defaults written there are checked against the rooms'."""

import re
from pathlib import Path

import pytest
import typer

from lungspot.cli.app import app
from lungspot.detect import DEFAULT_POINT, OPERATING_POINTS
from lungspot.labelling import TOOLS
from lungspot.report import DICOM_KINDS, FORMATS
from lungspot.results import RUN_FILES, form_named


def option_of(words, name):
    command = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]
    return next(option for option in command.get_params(typer.Context(command)) if option.name == name)


@pytest.mark.parametrize(
    ("words", "option", "known"),
    [
        (["detect"], "formats", ("table", *FORMATS, *RUN_FILES)),
        (["node"], "formats", DICOM_KINDS),
        (["data", "pool"], "tool", TOOLS),
    ],
)
def test_the_help_names_every_format(words, option, known):
    assert not set(known) - set(re.findall(r"[a-z0-9-]+", option_of(words, option).help))


@pytest.mark.parametrize("verb", ["detect", "batch", "node"])
def test_the_operating_point_is_the_detectors(verb):
    option = option_of([verb], "operating_point")
    assert option.default == DEFAULT_POINT
    assert not set(OPERATING_POINTS) - set(re.findall(r"\w+", option.help))


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.json", "json"),
        ("a.PNG", "png"),
        ("a.html", "html"),
        ("a.dcm", "sr"),
        ("a.csv", "csv"),
        ("a.txt", "text"),
        ("a.fhir.json", "json"),
        ("results", None),
        ("a.pdf", None),
        (".json", None),
    ],
)
def test_a_file_s_name_asks_for_a_form(name, form):
    assert form_named(Path(name)) == form
