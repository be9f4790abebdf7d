"""What is released: the bill names all of it, the container's recipe keeps its rules and makes what it says."""

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

from lungspot.detect import load_detector
from lungspot.web import PACKAGES, STAMP, require_vendored, vendored_stamp
from lungspot.web.runtime import vendored_files

ROOT = Path(__file__).resolve().parent.parent


def instructions():
    """The recipe as (word, rest) pairs."""
    lines = (ROOT / "Containerfile").read_text("utf-8").replace("\\\n", " ").splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line and not line.startswith("#")]


def test_the_recipe_keeps_the_rules():
    recipe = instructions()
    words = [word for word, _ in recipe]
    of = dict(recipe)
    assert words[0] == "FROM"
    assert re.fullmatch(r"docker\.io/library/debian:\w+-slim", of["FROM"])
    assert words.count("FROM") == 1
    assert of["USER"] == "lungspot"
    assert words.index("USER") > max(at for at, word in enumerate(words) if word == "RUN"), "nothing runs after as root"
    assert set(words) <= {"FROM", "RUN", "COPY", "ENV", "USER", "WORKDIR", "VOLUME", "ENTRYPOINT", "CMD"}
    assert of["WORKDIR"].startswith("/")
    assert of["ENTRYPOINT"].startswith("["), "a shell between would swallow SIGTERM"
    steps = [rest for word, rest in recipe if word == "RUN"]
    for step in steps:
        if "apt-get install" in step:
            assert "apt-get update && " in step
            assert "-y --no-install-recommends" in step
            assert step.endswith("rm -rf /var/lib/apt/lists/*")
        assert "pip install" not in step or "--no-cache-dir" in step
        assert not re.search(r"\b(sudo|curl|wget|chmod 777)\b", step)
        subprocess.run(["sh", "-n", "-c", step], check=True)
    assert (ROOT / ".dockerignore").read_text().split() == ["*", "!dist/*.whl"], "no film beside the sources goes in"


def test_the_bill_names_what_the_wheel_carries_of_others():
    carried = runpy.run_path(str(ROOT / "tools" / "bill.py"))["carried"]()
    assert {f"{each['name']}@{each['version']}" for each in carried[:-1]} == set(PACKAGES)
    assert carried[-1]["hashes"] == [{"alg": "SHA-256", "content": load_detector().sha256}]
    assert all(each["licenses"] for each in carried)


def test_the_bill_leaves_out_the_tools_of_the_environment_unless_they_are_required():
    drop = runpy.run_path(str(ROOT / "tools" / "bill.py"))["drop_tools"]
    names = ("lungspot", "torch", "setuptools", "pip")
    value = {
        "components": [{"bom-ref": f"{name}==1", "name": name} for name in names],
        "dependencies": [{"ref": f"{name}==1"} for name in names],
    }
    value["dependencies"][1]["dependsOn"] = ["setuptools==1"]
    drop(value)
    assert [each["name"] for each in value["components"]] == ["lungspot", "torch", "setuptools"]
    assert [each["ref"] for each in value["dependencies"]] == ["lungspot==1", "torch==1", "setuptools==1"]


def test_a_release_that_no_python_could_try_fails(tmp_path):
    tried = runpy.run_path(str(ROOT / "tools" / "release.py"))["tried"]
    with pytest.raises(SystemExit, match=r"nothing was tried: 3\.1, 9\.9"):
        tried(tmp_path / "none.whl", ["3.1", "9.9"], [""], tmp_path)


def test_a_release_takes_of_the_pages_runtime_what_is_pinned_and_nothing_else(tmp_path):
    laid, target = tmp_path / "laid", tmp_path / "target"
    for name in (*(each.path for each in vendored_files()), "left-over.js"):
        (laid / name).parent.mkdir(parents=True, exist_ok=True)
        (laid / name).write_text(name)
    (laid / STAMP).write_bytes(vendored_stamp())
    runpy.run_path(str(ROOT / "tools" / "release.py"))["vendored"](laid, target)
    taken = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert taken == {STAMP, *(each.path for each in vendored_files())}
    assert dict(require_vendored(target)) == dict(require_vendored(laid))


def test_an_sdist_has_what_its_tests_and_commands_need():
    table = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["sdist"]
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    own = ("pyproject.toml", ".")  # what hatchling adds, and what only git and a builder of containers read
    kept = tuple(part.strip("/") for part in table["include"] if "*" not in part)
    lost = [path for path in tracked if not path.startswith((*kept, *own)) and not re.fullmatch(r"\w+\.md", path)]
    assert lost == []
    assert "/*.md" in table["include"]


STEPS = """
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mount --rbind /dev root/dev
mount -t proc proc root/proc
mkdir -p root/wheels root/films root/results
cp {wheel} root/wheels
{steps}
mount --bind films root/films
mount --bind results root/results
chown 990 results
mount -o remount,ro root
mount -t tmpfs tmpfs root/tmp
unshare --net chroot --userspec=lungspot root env -i {environment} sh -c '
  id --user --name; touch /x 2>/dev/null || echo read-only
  cd {folder} && lungspot detect /films -o /results/today --format json,sr && ls /results/today'
"""


@pytest.mark.drill
def test_the_recipes_steps_make_what_reads_films_offline_without_root(rg1, tmp_path):
    """Where there is no builder: its steps on a copy of this Debian that is thrown away, then as the recipe says."""
    if "LUNGSPOT_CONTAINER" not in os.environ:
        pytest.skip("a drill (make drill)")
    for name in ("upper", "work", "root", "films", "results"):
        (tmp_path / name).mkdir()
    tmp_path.chmod(0o755)
    here = ["unshare", "--mount", "bash", "-euo", "pipefail", "-c"]
    able = subprocess.run([*here, STEPS.strip().splitlines()[0]], cwd=tmp_path, capture_output=True, check=False)
    if able.returncode:
        pytest.skip(f"no overlay may be mounted here: {able.stderr.decode()}")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    shutil.copy(rg1["J2KR"], tmp_path / "films" / "film.dcm")
    recipe = instructions()
    clean = "env -u PYTHONPATH PATH=/usr/sbin:/usr/bin:/sbin:/bin"
    script = STEPS.format(
        wheel=shlex.quote(str(next(tmp_path.glob("*.whl")))),
        steps="\n".join(f"chroot root {clean} sh -c {shlex.quote(rest)} >&2" for word, rest in recipe if word == "RUN"),
        environment=next(rest for word, rest in recipe if word == "ENV").replace("$PATH", "/usr/bin:/bin"),
        folder=next(rest for word, rest in recipe if word == "WORKDIR"),
    )
    done = subprocess.run([*here, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert said[:2] == ["lungspot", "read-only"]
    assert {"film.json", "film.sr.dcm"} <= set(said), done.stdout


def test_every_extra_is_tried_but_that_for_developers():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    tried = runpy.run_path(str(ROOT / "tools" / "release.py"))["TRIED"]
    assert tried.keys() == {"", *extras} - {"dev"}


def test_who_develops_can_build_a_release():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert set(project["build-system"]["requires"]) <= set(project["project"]["optional-dependencies"]["dev"])
