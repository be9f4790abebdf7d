"""Write docs/reference/{cli,errors,api}.md from the code; with --check, say which of them is out of date (exit 1).

Every public name, verb, option, error code and warning code is in these pages, because they are made of them.
"""

from __future__ import annotations

import ast
import copy
import inspect
import itertools
import re
import sys
import textwrap
from collections.abc import Iterator
from enum import EnumType
from pathlib import Path

from typer import Context
from typer.main import get_command

from lungspot import errors
from lungspot.cli.app import app
from lungspot.cli.console import Exit
from lungspot.detect import REASONS
from lungspot.errors import CODES
from lungspot.images import WARNINGS

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "lungspot"
REFERENCE = ROOT / "docs" / "reference"
MADE = "<!-- made by `make docs`; edit the code, not this page -->\n"

EXITS = {
    Exit.DONE: "all done",
    Exit.SOME_REFUSED: "some inputs were refused, each with one line on stderr; the others were done",
    Exit.USAGE: "the command line is wrong",
    Exit.NOTHING_DONE: "nothing could be processed",
    Exit.ENVIRONMENT: "this machine or installation lacks something: an extra, disk space, the right model file",
    Exit.ALARM: "`lungspot watch` only: everything was done, and an alarm is on (whether inputs were refused or not)",
    Exit.BUG: "a bug of ours; please report it",
}

CLI_TEXT = """\
# Command line

Results go to stdout, words for people to stderr. `--json` prints JSON; several results are JSON Lines. A refused input
is one line on stderr and never stops the others:

    lungspot: error: WHERE: CODE: reason; what to do

The codes are in [errors.md](errors.md). Colour and progress bars appear on a terminal only; `NO_COLOR` turns colour
off. `LUNGSPOT_DEBUG=1` shows the traceback of a bug.

## Exit codes
"""

ERRORS_TEXT = """\
# Errors and warnings

## Errors

Everything that lungspot refuses is a `lungspot.errors.LungspotError` with `code`, `where`, `reason`, `advice` and
`exit_code`. Scripts branch on `code`; people read the line. Where the situation calls for it, an error carries more
particular advice than the one in this table.
"""

WARNINGS_TEXT = """\
## Warnings

A film that could be read may still deserve a doubt. Its `Radiograph.notices` hold `Notice(code, text)`.
"""

REASONS_TEXT = """\
## Reasons not to assess a film

A film that was read but that the model should not judge has reasons, and no scores in any output.
"""

API_TEXT = """\
# Python API

Import names from their room (`from lungspot.findings import Box`); names under `lungspot` itself may be imported from
there. Importing a name loads its room only. [Conventions](../conventions.md) says what coordinates, pixels, labels and
states mean. Names that are not on this page may change at any time.
"""


def cell(text: str) -> str:
    """Return text that fits a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines) + "\n"


def commands(group: object, path: str = "lungspot") -> Iterator[tuple[str, object]]:
    """Yield every verb, sub-verbs included, with the words that call it."""
    for name, command in sorted(getattr(group, "commands", {}).items()):
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def parameter_row(parameter: object) -> tuple[str, str, str]:
    """Return name, default and help of one option or argument."""
    option = getattr(parameter, "param_type_name", "") == "option"
    metavar = (parameter.metavar or parameter.name.upper()).strip("[].")
    names = [*parameter.opts, *parameter.secondary_opts] if option else [metavar]
    default = parameter.default
    shown = "required" if parameter.required else ""
    if not parameter.required and default not in {None, False, True, ""} and default != () and not callable(default):
        shown = f"`{getattr(default, 'value', default)}`"
    kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    choices = [str(each.value) for each in kind] if isinstance(kind, EnumType) else []
    words = ", ".join(f"`{name}`" for name in names) + (f" `{'|'.join(choices)}`" if choices else "")
    return words, shown, getattr(parameter, "help", None) or ""


def cli_page() -> str:
    """Return the page of verbs, options, streams and exit codes."""
    group = get_command(app)
    parts = [
        MADE,
        CLI_TEXT,
        table(("code", "meaning"), [(str(int(code)), EXITS[code]) for code in Exit]),
        "## lungspot\n",
        table(("option", "default", "what it does"), [parameter_row(p) for p in group.params]),
    ]
    for words, command in commands(group):
        parts += [f"## {words}\n", inspect.cleandoc(command.help or "") + "\n"]
        if rows := [parameter_row(p) for p in command.get_params(Context(command)) if p in command.params]:
            parts.append(table(("option", "default", "what it does"), rows))
    return "\n".join(parts)


def raised(kinds: tuple[str, ...]) -> dict[str, set[str]]:
    """Return, per error code, the classes that the source raises it with."""
    found: dict[str, set[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds and node.args:
                for part in ast.walk(node.args[0]):
                    if isinstance(part, ast.Constant) and part.value in CODES:
                        found.setdefault(str(part.value), set()).add(node.func.id)
    return found


def errors_page() -> str:
    """Return the page of error codes, warning codes and reasons not to assess a film."""
    kinds = tuple(name for name in errors.__all__ if name.endswith("Error") and name != "LungspotError")
    classes = raised(kinds)
    rows = [(f"`{code}`", ", ".join(sorted(classes.get(code, ()))), advice) for code, advice in CODES.items()]
    tree = re.search(r"(?m)^ {4}LungspotError\n(?: {4}.*\n)+", errors.__doc__ or "")
    parts = [MADE, ERRORS_TEXT, tree[0] if tree else ""]
    parts += [table(("code", "raised as", "what to do"), rows), WARNINGS_TEXT]
    parts.append(table(("code", "what it says"), [(f"`{code}`", text) for code, text in WARNINGS.items()]))
    parts += [REASONS_TEXT, table(("reason", "what it says"), [(f"`{code}`", text) for code, text in REASONS.items()])]
    return "\n".join(parts)


def module_file(dotted: str) -> Path:
    """Return the file of a lungspot module."""
    path = ROOT / "src" / Path(*dotted.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def exported(tree: ast.Module) -> list[str]:
    """Return the names in a module's ``__all__``."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return list(ast.literal_eval(node.value))
    return []


def definition(dotted: str, name: str) -> tuple[str, ast.AST | None]:
    """Follow imports from one module to where a name is defined: (module, its syntax or None for a constant)."""
    tree = ast.parse(module_file(dotted).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name and node in tree.body:
            return dotted, node
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lungspot"):
            for alias in node.names:
                if name == (alias.asname or alias.name) and (inner := f"{node.module}.{alias.name}") != dotted:
                    if node.module == dotted and module_file(inner).is_file():  # the room gives a whole module
                        return inner, ast.parse(module_file(inner).read_text(encoding="utf-8"))
                    return definition(str(node.module), alias.name)
    return dotted, None


def signature(node: ast.AST | None, name: str) -> str:
    """Return how a function is called or a class is made."""
    if isinstance(node, ast.FunctionDef):
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        return f"{name}({ast.unparse(node.args)}){returns}"
    if isinstance(node, ast.ClassDef):
        fields = [s for s in node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)]
        fields = [each for each in fields if not ast.unparse(each.target).startswith("_")]
        if any("dataclass" in ast.unparse(d) for d in node.decorator_list):
            return f"{name}({', '.join(ast.unparse(field) for field in fields)})"
    return name


def remark(room: str, home: str, name: str) -> str:
    """Return the comment above or beside a constant, or beside its name in the room's ``__all__``, in one line."""
    lines = module_file(home).read_text(encoding="utf-8").splitlines()
    at = next((n for n, line in enumerate(lines) if re.match(rf"(\w+, )*{re.escape(name)}\b.*=", line)), None)
    if at is not None:
        above = list(itertools.takewhile(lambda line: line.startswith("# "), reversed(lines[:at])))
        if above:
            return " ".join(line.removeprefix("# ") for line in reversed(above))
        _, mark, beside = lines[at].rpartition("  # ")
        if mark and not beside.startswith("noqa"):
            return beside
    listed = re.search(rf'^    "{re.escape(name)}",  # (.+)$', module_file(room).read_text("utf-8"), re.MULTILINE)
    return listed[1] if listed else ""


def prose(docstring: str) -> str:
    """Return a docstring as Markdown: code spans and references as code, aligned tables in a fence."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", docstring).replace("``", "`")
    blocks = re.split(r"\n\n+", text)
    return "\n\n".join(f"```text\n{of}\n```" if re.search(r"^ *===|^    \S", of, re.MULTILINE) else of for of in blocks)


def members(node: ast.AST | None) -> Iterator[tuple[str, str]]:
    """Yield the public methods and properties that a class defines itself: how each is called, and its docstring."""
    for each in node.body if isinstance(node, ast.ClassDef) else ():
        if isinstance(each, ast.FunctionDef) and not each.name.startswith("_"):
            decorators = {ast.unparse(of) for of in each.decorator_list}
            shown = copy.deepcopy(each)
            if "staticmethod" not in decorators and shown.args.args:
                del shown.args.args[0]  # self or cls
            yield (
                f".{each.name}" if "property" in decorators else f".{signature(shown, each.name)}",
                ast.get_docstring(each) or "",
            )


def api_page() -> str:
    """Return the page of the public names of every room, each with its whole docstring."""
    parts = [MADE, API_TEXT]
    rooms = ["lungspot", "lungspot.errors"]
    rooms += sorted(
        f"lungspot.{path.parent.name}" for path in SOURCE.glob("*/__init__.py") if path.parent.name != "cli"
    )
    rooms += [f"lungspot.{p.stem}" for p in sorted(SOURCE.glob("[a-z]*.py")) if p.stem != "errors"]
    for room in rooms:
        tree = ast.parse(module_file(room).read_text(encoding="utf-8"))
        parts += [f"## {room}\n", prose(ast.get_docstring(tree) or "") + "\n"]
        for name in exported(tree):
            home, node = definition(room, name)
            documented = isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module)
            doc = (ast.get_docstring(node) or "") if documented else ""
            says = prose(doc) or remark(room, home, name)
            if not says:
                raise SystemExit(f"{home}: no docstring and no comment say what {name} is")
            parts.append(f"- **`{signature(node, name)}`**  \n{textwrap.indent(says, '  ')}\n")
            for call, words in members(node):
                parts.append(f"  - **`{call}`**  \n{textwrap.indent(prose(words), '    ')}\n")
        parts.append("")
    return "\n".join(parts)


PAGES = {"cli.md": cli_page, "errors.md": errors_page, "api.md": api_page}


def stale() -> list[str]:
    """Return the pages that do not say what the code says."""
    old = []
    for name, page in PAGES.items():
        path = REFERENCE / name
        if not path.is_file() or path.read_text(encoding="utf-8") != page():
            old.append(name)
    return old


def main() -> int:
    """Write the pages, or with --check name those that are out of date."""
    if "--check" in sys.argv[1:]:
        for name in (old := stale()):
            print(f"docs/reference/{name} is out of date: make docs", file=sys.stderr)
        return 1 if old else 0
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
