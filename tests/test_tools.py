"""The checks of tools/ find what they are there to find."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parent.parent / "tools"


def row(**fields):
    return {"Name": "some-package", "Version": "1.0", **fields}


@pytest.mark.parametrize(
    ("package", "refused"),
    [
        (row(**{"License-Expression": "MIT"}), False),
        (row(**{"License-Expression": "Apache-2.0 WITH LLVM-exception AND BSL-1.0"}), False),
        (row(**{"License-Classifier": "Mozilla Public License 2.0 (MPL 2.0)"}), False),
        (row(**{"License-Metadata": "BSD 3-Clause\n\nthe file bundles libquadmath, LGPL-2.1"}), False),
        (row(**{"License-Expression": "GPL-3.0-or-later"}), True),
        (row(**{"License-Expression": "MIT OR LGPL-2.1-only"}), True),
        (row(**{"License-Classifier": "GNU General Public License v3 (GPLv3)"}), True),
        (row(**{"License-Classifier": "GNU Lesser General Public License v2 or later (LGPLv2+)"}), True),
        (row(**{"License-Classifier": "GNU Affero General Public License v3"}), True),
        (row(**{"License-Metadata": "AGPLv3"}), True),
        (row(**{"License-Metadata": "UNKNOWN", "License-Expression": "UNKNOWN"}), True),
        (row(), True),
    ],
)
def test_licences_that_are_not_taken(package, refused):
    faults = runpy.run_path(str(TOOLS / "licences.py"))["faults"]([package])
    assert bool(faults) is refused
    assert all(fault.startswith("some-package 1.0: ") for fault in faults)


@pytest.mark.parametrize(
    ("user", "environment", "code", "says"),
    [
        ("1000", {}, 0, "please run: sudo apt-get install dcmtk"),
        ("1000", {"CI": "true"}, 1, "please run: sudo apt-get install dcmtk"),
        ("0", {}, 0, "could not install dcmtk"),
        ("0", {"CI": "true"}, 1, "could not install dcmtk"),
        (None, {}, 0, "please install dcmtk"),
    ],
)
def test_missing_system_packages_are_named(user, environment, code, says, tmp_path):
    """On a machine of stand-ins: an apt-get that always fails, or none, and a user with or without rights."""
    for program in ("mktemp", "tail", "rm", "sh", "grep"):
        (tmp_path / program).symlink_to(shutil.which(program))
    if user is not None:
        (tmp_path / "id").write_text(f"#!/bin/sh\necho {user}\n")
        (tmp_path / "apt-get").write_text("#!/bin/sh\nexit 100\n")
        (tmp_path / "id").chmod(0o755)
        (tmp_path / "apt-get").chmod(0o755)
    done = subprocess.run(
        ["sh", TOOLS / "system_packages.sh"],
        env={key: value for key, value in os.environ.items() if key != "CI"} | {"PATH": str(tmp_path)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert says in done.stderr


def test_a_lock_of_apt_is_waited_for(tmp_path):
    """On a machine of stand-ins: an apt-get that finds the lock held twice, in its own words, then installs."""
    for program in ("mktemp", "tail", "rm", "sh", "grep", "cat"):
        (tmp_path / program).symlink_to(shutil.which(program))
    held = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)"
    times = (
        f'echo x >>{tmp_path}/tried; [ "$(cat {tmp_path}/tried)" = "x\nx\nx" ] || {{ echo "{held}" >&2; exit 100; }}'
    )
    for name, text in (("id", "echo 0"), ("sleep", ":"), ("apt-get", times.replace("\\n", "\n"))):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    command = ["sh", TOOLS / "system_packages.sh"]
    done = subprocess.run(
        command, env={"PATH": str(tmp_path), "CI": "true"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "system packages: installing dcmtk" in done.stderr
    assert done.stderr.count("another program holds apt's lock; waiting") == 2
    (tmp_path / "apt-get").write_text(f"#!/bin/sh\necho '{held}' >&2\nexit 100\n")
    short = {"PATH": str(tmp_path), "CI": "true", "LUNGSPOT_APT_WAIT": "10"}
    done = subprocess.run(command, env=short, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert held in done.stderr


@pytest.fixture
def covered_rooms(tmp_path):
    """A function that runs part of a small room of each name under coverage, and then the tool."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV")}

    def run(**calls):
        for room, asked in calls.items():
            folder = tmp_path / "lungspot" / room
            folder.mkdir(parents=True)
            (tmp_path / "lungspot" / "__init__.py").touch()  # or the real one would be found
            (folder / "__init__.py").touch()
            (folder / "one.py").write_text("def f(x):\n    if x:\n        return 1\n    return 2\n")
            (tmp_path / f"use_{room}.py").write_text(f"from lungspot.{room}.one import f\n" + "".join(asked))
        (tmp_path / "use.py").write_text("".join(f"import use_{room}\n" for room in calls))
        command = [sys.executable, "-m", "coverage", "run", "--branch", "--source", "lungspot", "use.py"]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True)
        tool = [sys.executable, TOOLS / "coverage_floor.py"]
        return subprocess.run(tool, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


def test_a_room_below_its_floor_is_named(covered_rooms):
    done = covered_rooms(findings=["f(1)\n", "f(0)\n"], images=["f(1)\n"])
    assert done.returncode == 1
    assert done.stderr == "coverage is below its floor in: images\n"
    rows = {row.split()[0]: row.split()[1:] for row in done.stdout.splitlines()[1:]}
    assert rows == {"findings": ["4/4", "2/2", "100.0%", "95.0%"], "images": ["3/4", "1/2", "66.7%", "95.0%"]}


def test_rooms_at_their_floors_pass(covered_rooms):
    done = covered_rooms(findings=["f(1)\n", "f(0)\n"], images=["f(1)\n", "f(0)\n"])
    assert (done.returncode, done.stderr) == (0, "")


def test_a_site_lists_its_versions_and_says_where_it_has_no_live_page(tmp_path):
    for version in ("0.9.0", "0.10.0"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "README.html").write_text("<h1>docs")
        command = [sys.executable, TOOLS / "site" / "finish.py", tmp_path, version, tmp_path / "none"]
        subprocess.run(command, check=True, capture_output=True)
    listed = re.findall(r'href="([^"]*)"', (tmp_path / "index.html").read_text())
    assert listed == ["0.10.0/index.html", "0.9.0/index.html"]
    assert all((tmp_path / name).read_text() == "<h1>docs" for name in listed)
    assert "make demo web site" in (tmp_path / "0.9.0" / "live" / "index.html").read_text()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[a](b.md#two-words-1), `[x](y)`", None),
        ("```\n[a](none.md)\n```", None),
        ("[a](https://example.org/x.md) [b](#own)\n# Own", None),
        ("[a](none.md)", "none.md is not there"),
        ("[a](b.md#three)", "b.md has no heading #three"),
        ("[a](#nowhere)", "README.md has no heading #nowhere"),
        ("[a](../elsewhere.md)", "../elsewhere.md is not there"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(text, fault, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "elsewhere.md").touch()
    (root / "b.md").write_text("# Two `words`\n\n## Two words\n")
    (root / "README.md").write_text(text)
    found = runpy.run_path(str(TOOLS / "links.py"))["faults"](root)
    assert found == ([] if fault is None else [f"README.md: {fault}"])


@pytest.mark.parametrize(
    ("text", "code"), [("a miliary pattern, by the writeable NDArray", 0), ("the lungs".replace("he", "eh"), 2)]
)
def test_a_misspelt_word_is_named(text, code):
    command = [Path(sys.executable).with_name("typos"), "-"]
    done = subprocess.run(command, input=text.encode(), cwd=TOOLS.parent, check=False, capture_output=True)
    assert done.returncode == code


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            [],
            r"pip install -q label-studio==(.|\n)*LUNGSPOT_LABEL_STUDIO=/\S+/label-studio-env/bin/label-studio ",
        ),
        (["LABEL_STUDIO=/no/such/program"], None),
        (["LABEL_STUDIO="], r"Skipped: a real Label Studio(.|\n)*LUNGSPOT_LABEL_STUDIO= "),
    ],
)
def test_the_drills_have_a_label_studio_or_say_that_they_have_none(given, says):
    fresh = ["STUDIO=build/none-yet/label-studio-env", *(given or ["LABEL_STUDIO=$(STUDIO)/bin/label-studio"])]
    made = subprocess.run(
        ["make", "-n", "drill", *fresh], cwd=TOOLS.parent, capture_output=True, text=True, check=False
    )
    assert (made.returncode == 0) is (says is not None), made.stderr
    assert says is None or re.search(says, made.stdout)
