"""What each verb's help says of formats is what it takes: the lists of words there are checked against the rooms'."""

import re
from pathlib import Path

import pytest
import typer

from lungspot.cli.app import app
from lungspot.labelling import TOOLS
from lungspot.report import DICOM_KINDS, FORMATS
from lungspot.results import RUN_FILES, form_named


@pytest.mark.parametrize(
    ("words", "option", "known"),
    [
        (["detect"], "formats", ("table", *FORMATS, *RUN_FILES)),
        (["node"], "formats", DICOM_KINDS),
        (["data", "pool"], "tool", TOOLS),
    ],
)
def test_the_help_names_every_format(words, option, known):
    command = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]
    (text,) = (parameter.help for parameter in command.params if parameter.name == option)
    assert not set(known) - set(re.findall(r"[a-z0-9-]+", text))


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
