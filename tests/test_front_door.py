"""Other rooms come in by the front door: a room's ``__init__.__all__`` (docs/adr/0024)."""

import ast
import importlib
import types
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src" / "lungspot"


def rooms():
    found = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    return found - {"__init__", "__main__"}


def imports_of(path):
    """Yield (line, module, names) of every import of lungspot in a module, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "lungspot":
            yield node.lineno, node.module.split("."), [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "lungspot":
                    yield node.lineno, alias.name.split("."), []


def reached_in(tree):
    """Yield (line, room, name) of what is asked of rooms that were imported whole: ``formats.coco`` and the like."""
    whole = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "lungspot":
            whole |= {alias.asname or alias.name: alias.name for alias in node.names if alias.name in rooms()}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("lungspot.") or alias.name == "lungspot":
                    whole |= {alias.asname: alias.name.split(".")[-1]} if alias.asname else {"lungspot": ""}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            head, *names = ast.unparse(node).split(".")
            if head in whole and all(name.isidentifier() for name in names):
                room, *names = [*filter(None, [whole[head]]), *names]
                if names:
                    yield node.lineno, room, names[0]


def offered(room):
    """Return the names in a room's ``__all__``; a room of one file has no inside."""
    door = SOURCE / room / "__init__.py"
    tree = ast.parse((door if door.is_file() else SOURCE / f"{room}.py").read_text(encoding="utf-8"))
    (names,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and "__all__" in ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
    )
    return set(ast.literal_eval(names))


@pytest.mark.parametrize("room", sorted(rooms()))
def test_other_rooms_come_in_by_the_front_door(room):
    """What a room takes from another stands in the other's ``__all__``, and is taken from there (docs/adr/0024)."""
    inside = SOURCE / room
    wrong = []
    for path in inside.rglob("*.py") if inside.is_dir() else [inside.with_suffix(".py")]:
        for line, module, taken in imports_of(path):
            if len(module) == 1 or module[1] == room:
                continue
            hidden = [name for name in taken if name not in offered(module[1])]
            if len(module) > 2 or hidden:
                wrong.append(f"{path.relative_to(SOURCE)}:{line}: {'.'.join(module)} {', '.join(hidden)}".rstrip())
    assert not wrong


@pytest.mark.parametrize("room", sorted(rooms()))
def test_of_a_room_that_is_imported_whole_others_ask_what_it_offers(room):
    inside = SOURCE / room
    wrong = []
    for path in inside.rglob("*.py") if inside.is_dir() else [inside.with_suffix(".py")]:
        for line, other, name in reached_in(ast.parse(path.read_text(encoding="utf-8"))):
            if other in rooms() - {room} and name not in offered(other):
                wrong.append(f"{path.relative_to(SOURCE)}:{line}: {other}.{name}")
    assert not wrong


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from lungspot import formats\nformats.coco.read(x)", [("formats", "coco"), ("formats", "coco")]),
        ("import lungspot.formats as f\nf.coco", [("formats", "coco")]),
        ("import lungspot.formats\nlungspot.formats.coco", [("formats", "coco")]),
        ("from lungspot.formats import coco\ncoco.read(x)", []),  # refused at its import: the door offers no module
    ],
)
def test_a_way_past_the_door_is_seen(text, found):
    assert [(room, name) for _, room, name in reached_in(ast.parse(text))] == found


def test_a_door_gives_what_it_says():
    for room in sorted(rooms() - {"cli"}):
        module = importlib.import_module(f"lungspot.{room}")
        homes = {name: getattr(module, name) for name in module.__all__}  # those that are found when asked for, too
        modules = {name for name, value in homes.items() if isinstance(value, types.ModuleType)}
        assert not modules, f"{room}: through a module others would come in past the door"


def test_a_name_means_one_thing_at_whatever_door():
    """No two rooms offer different things by one name: ``measure`` is a reader's calliper, and no metric."""
    offers = {}
    for room in sorted(rooms() - {"cli"}):
        module = importlib.import_module(f"lungspot.{room}")
        for name in module.__all__:
            offers.setdefault(name, {}).setdefault(id(getattr(module, name)), room)
    twice = {name: list(homes.values()) for name, homes in offers.items() if len(homes) > 1}
    assert not twice
