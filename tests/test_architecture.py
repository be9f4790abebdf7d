"""How the house is built: rooms and layers, what the light base may load, and the form of every module."""

import ast
import collections
import graphlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import grimp
import pytest

import lungspot

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "lungspot"
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MODULES = sorted(SOURCE.rglob("*.py"))
SCRIPTS = sorted(path for folder in ("tests", "benchmarks", "tools") for path in (ROOT / folder).rglob("*.py"))

# Neither a version nor a help page may load any of these.
HEAVY = {
    *(
        "PIL",
        "accelerate",
        "imagecodecs",
        "imagehash",
        "jinja2",
        "jpeg_ls",
        "matplotlib",
        "numpy",
        "onnx",
        "onnxruntime",
    ),
    *("fastapi", "openjpeg", "pydicom", "pylibjpeg", "rle", "scipy", "starlette", "torch", "uvicorn"),
}
NO_SUCH_ROOM = {"utils", "util", "helpers", "common", "core", "base", "manager", "misc", "lib"}

# Classes of serve/ that are the form over HTTP of the value of the same name.
OVER_HTTP = {"Accepted", "Correction", "Identity", "Review", "Verdict"}
# Their enumerations' words, as a request or an answer says them.
WORDS_OVER_HTTP = {"QueueState", "Standing", "Status"}
# Short names of a type that is as wide as each module needs: a cell of a page, integers, the length of a name.
LOOSE = {"Cell", "Integers", "Learner"}
# Tests of a promise that no single module keeps.
THEMES = {
    *("datasets/broken", "formats/fuzz", "formats/given_files", "formats/pipes"),
    *("images/bombs", "images/fuzz", "images/given_files"),
    *("serve/label_studio_live", "web/dicom", "web/page", "web/parity"),
}


def names(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


def tracked():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def rooms():
    return {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}


def contract(kind):
    return next(contract for contract in SETTINGS["tool"]["importlinter"]["contracts"] if contract["type"] == kind)


# --- layers ---------------------------------------------------------------------------------------------------------


def test_contracts_are_kept():
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_room_has_its_layer_and_every_layer_its_room():
    layers = contract("layers")
    assert layers["exhaustive"] is True
    placed = {room.strip() for layer in layers["layers"] for room in layer.split("|")}
    assert placed == rooms() - {"__init__", "__main__"}


def test_no_cycles():
    graph = grimp.build_graph("lungspot", exclude_type_checking_imports=True, cache_dir=None)
    order = graphlib.TopologicalSorter(
        {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    )
    order.prepare()  # raises CycleError with the cycle


def test_the_light_base_contract_names_the_heavy():
    light = contract("forbidden")
    assert light["source_modules"] == ["lungspot"]
    assert {"torch", "accelerate", "onnx", "matplotlib", "fastapi", "uvicorn"} <= set(light["forbidden_modules"])
    assert light["unmatched_ignore_imports_alerting"] == "error"


# --- what is loaded when --------------------------------------------------------------------------------------------


def loaded(statement):
    """Return the top-level modules in memory after a statement ran in a fresh interpreter, one without coverage."""
    code = f"import sys\n{statement}\nprint('\\n' + ' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV")}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("statement", "unwelcome"),
    [
        ("import lungspot", HEAVY | {"typer", "rich", "json"}),
        ("import lungspot.errors", HEAVY | {"typer", "rich", "json"}),
        ("import gc, lungspot.cli; assert gc.get_stats()[0]['collections'] < 50", HEAVY),  # hundreds otherwise
        ("from lungspot.cli.app import run; assert run(['--version']) == 0", HEAVY),
        ("from lungspot.cli.app import run; assert run(['--help']) == 0", HEAVY),
        ("from lungspot.cli.app import run; assert run(['info', '--json']) == 0", HEAVY),
        ("import lungspot.findings", HEAVY - {"numpy"}),
        (
            "import lungspot.images",
            {"torch", "onnx", "onnxruntime", "matplotlib", "typer", "rich", "imagehash", "scipy"},
        ),
        ("import lungspot.datasets", {"torch", "onnx", "onnxruntime", "matplotlib", "typer", "imagehash", "scipy"}),
        ("import lungspot.report", {"highdicom", "pydicom", "pynetdicom", "torch", "typer", "rich"}),
        ("import lungspot.detect", {"torch", "onnx", "matplotlib", "typer", "rich", "imagehash", "scipy"}),
    ],
)
def test_nothing_heavy_is_loaded_by(statement, unwelcome):
    assert not loaded(statement) & unwelcome


def test_onnxruntime_has_one_importer():
    importers = [
        path
        for path in [*MODULES, *SCRIPTS]
        if re.search(r"^\s*(import|from) onnxruntime", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert names(importers) == ["src/lungspot/detect/session.py", "benchmarks/detect.py"]  # a rival's network, not ours
    for path in importers:  # telemetry is turned off before it is on
        text = path.read_text(encoding="utf-8")
        assert text.index('os.environ["ORT_DISABLE_TELEMETRY"] = "1"') < text.index("import onnxruntime  #")


def test_a_public_name_comes_from_its_room():
    assert lungspot.__all__ == sorted(lungspot.__all__)
    for name in lungspot.__all__:
        assert getattr(lungspot, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lungspot.nothing


# --- the form of modules --------------------------------------------------------------------------------------------


def test_no_file_is_longer_than_400_lines():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in [*MODULES, *SCRIPTS]}
    assert names(path for path, lines in lengths.items() if lines > 400) == []


def test_a_module_says_what_it_offers():
    for path in MODULES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), f"{path}: no docstring"
        if path.name != "__main__.py":
            assert_it_offers_what_it_has(path, tree)


def assert_it_offers_what_it_has(path, tree):
    lists = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and "__all__" in ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
    ]
    assert len(lists) == 1, f"{path}: one __all__"  # ruff (RUF022) keeps it sorted
    offered = ast.literal_eval(lists[0])
    defined = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            defined |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    assert set(offered) <= defined, path
    assert not [name for name in offered if name.startswith("_") and name != "__version__"], path


def test_one_name_means_one_thing():
    """No two modules have a class of the same name, unless one says over HTTP what the other holds."""
    homes = collections.defaultdict(list)
    for path, node in top_of_modules(ast.ClassDef):
        if not node.name.startswith("_"):
            homes[node.name].append(str(path.relative_to(SOURCE)))
    twice = {name: where for name, where in homes.items() if len(where) > 1}
    assert twice.keys() == OVER_HTTP, twice


def test_a_short_name_of_a_type_is_no_class_s_and_stands_for_one_type():
    classes = {node.name for _, node in top_of_modules(ast.ClassDef)}
    stands_for = collections.defaultdict(set)
    for _, node in top_of_modules(ast.Assign | ast.AnnAssign):
        name = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
        if re.fullmatch(r"[A-Z]\w*[a-z]\w*", name):
            stands_for[name].add(ast.unparse(node.value))
    assert len(stands_for) > 50
    assert stands_for.keys() & classes == WORDS_OVER_HTTP
    assert {name for name, types in stands_for.items() if len(types) > 1} == LOOSE


def top_of_modules(kind):
    """Yield what stands at the top of a module and is of a kind, with the module's path."""
    for path in MODULES:
        yield from ((path, node) for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, kind))


def test_no_room_for_odds_and_ends():
    folders = {path.stem for path in SOURCE.rglob("*") if path.is_dir() or path.suffix == ".py"}
    assert not folders & NO_SUCH_ROOM


def test_tests_mirror_the_source():
    for folder in (path for path in (ROOT / "tests").iterdir() if path.is_dir() and any(path.glob("*.py"))):
        assert folder.name in rooms(), f"tests/{folder.name} mirrors no room"
        modules = {path.stem for path in (SOURCE / folder.name).rglob("*.py")}
        for path in folder.glob("test_*.py"):
            about = path.stem.removeprefix("test_")
            known = any(about == module or about.startswith(f"{module}_") for module in modules)
            assert known or f"{folder.name}/{about}" in THEMES, f"{path.relative_to(ROOT)} mirrors no module"
    assert all((ROOT / "tests" / theme).with_name(f"test_{Path(theme).name}.py").is_file() for theme in THEMES)
    tested = {path.name for path in (ROOT / "tests").iterdir()}
    assert {path.parent.name for path in SOURCE.glob("*/__init__.py")} <= tested, "rooms without tests"


def test_pages_are_waited_for_by_what_waits():
    """Playwright's own takes a promise for an answer and goes on; `until(lambda: page.evaluate(...))` waits."""
    assert not [path for path in (ROOT / "tests").rglob("*.py") if "wait_for_" + "function" in path.read_text("utf-8")]


def test_no_machine_of_ours_in_tracked_files():
    marks = "/" + "work/", "/" + "root/", "/" + "home/(?!me/)", "index" + "-url", "/" + "opt/wheels"
    traces, found = re.compile("|".join(marks)), []
    for path in (each for each in tracked() if each.suffix not in {".onnx", ".png", ".gz"}):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if traces.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")
    assert not found


def test_the_real_films_are_not_committed():
    pixels = {".dcm", ".dicom", ".jpg", ".jpeg", ".tif", ".tiff", ".npy", ".npz", ".zip"}
    assert not [path for path in tracked() if path.suffix.lower() in pixels]
