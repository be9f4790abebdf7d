"""The checks of tools/ find what they are there to find."""

import os
import runpy
import shutil
import subprocess
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


def test_a_room_below_its_floor_is_named(tmp_path, monkeypatch, capsys):
    tool = runpy.run_path(str(TOOLS / "coverage_floor.py"))
    monkeypatch.chdir(tmp_path)
    main = tool["main"]
    totals = {
        "covered_lines": 9,
        "num_statements": 10,
        "covered_branches": 1,
        "num_branches": 2,
        "percent_covered": 83.3,
    }
    monkeypatch.setitem(
        main.__globals__, "covered", lambda _data, room: totals | {"percent_covered": 83.3 if room == "images" else 99}
    )
    monkeypatch.setattr("coverage.Coverage.load", lambda _: None)
    assert main() == 1
    said = capsys.readouterr()
    assert "below its floor in: images\n" in said.err
    assert "9/10" in said.out
