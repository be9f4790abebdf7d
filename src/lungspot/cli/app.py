"""The ``lungspot`` command: its verbs, its version, and the one place where errors become exit codes."""

from __future__ import annotations

import contextlib
import copy
import errno
import functools
import io
import os
import sys
import warnings
from collections.abc import Callable
from typing import Annotated, Any

import typer

from lungspot import BANNER, __version__
from lungspot.cli import (
    batch,
    calibrate,
    convert,
    data,
    deidentify,
    demo,
    detect,
    evaluate,
    export,
    info,
    labelling,
    node,
    serve,
    tb,
    train,
    train_gate,
    watch,
    web,
)
from lungspot.cli.console import Exit, print_bug, print_error
from lungspot.errors import InputError, LungspotError, SetupError

__all__ = ["app", "main"]

app = typer.Typer(
    name="lungspot",
    help=f"Find and box lung disease in chest X-rays, offline. {BANNER}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("detect", cls=detect.DetectCommand)(detect.detect)
app.command("batch")(batch.batch)
app.command("demo")(demo.demo)
app.add_typer(data.app, name="data")
app.add_typer(labelling.app, name="labelling")
app.command("eval")(evaluate.evaluate)
app.command("calibrate")(calibrate.calibrate)
app.command("info")(info.info)
app.command("convert")(convert.convert)
app.command("deidentify")(deidentify.deidentify)
app.command("node")(node.node)
app.command("serve")(serve.serve)
app.command("tb")(tb.tb)
app.command("tb-plan")(tb.tb_plan)
app.command("watch")(watch.watch)
app.command("web")(web.web)
app.command("train")(train.train)
app.command("export")(export.export)
app.command("train-gate")(train_gate.train_gate)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"lungspot {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


@functools.cache
def _command(verb: str | None) -> Callable[..., Any]:
    """Return the command that Typer makes of one verb; of all, 50 ms more, where nobody names one that there is."""
    one = copy.copy(app)
    one.registered_commands = [each for each in app.registered_commands if each.name == verb]
    one.registered_groups = [each for each in app.registered_groups if each.name == verb]
    return typer.main.get_command(one if one.registered_commands or one.registered_groups else app)


def main() -> None:
    """Run the command line and end the process with one of :class:`~lungspot.cli.console.Exit`."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a name that the terminal cannot show is shown escaped
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; never raises, so a shell sees a line and a number."""
    # What a file's header says oddly is said in our words, or not at all.
    warnings.filterwarnings("ignore", module=r"(pydicom|highdicom|PIL|tifffile)(\.|$)")
    try:
        try:
            result = _command(arguments[0] if arguments else None)(arguments, standalone_mode=True)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # here, where a full disk still becomes a line
    except SystemExit as end:
        return int(end.code or 0) if not isinstance(end.code, str) else Exit.BUG
    except LungspotError as error:
        print_error(error)
        return error.exit_code if error.exit_code in {Exit.ENVIRONMENT, Exit.USAGE} else Exit.NOTHING_DONE
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        return _system_error(error)
    except BaseException as error:  # noqa: BLE001 - the last line of defence: no traceback for a user
        print_bug(error)
        return Exit.BUG
    return int(result or 0)


def _system_error(error: OSError) -> int:
    """Say what the system refused, and return the exit code."""
    if error.errno in {errno.ENAMETOOLONG, errno.ELOOP}:  # of a path that was given
        print_error(InputError("BAD_VALUE", error.filename, os.strerror(error.errno), advice="give another path"))
        return Exit.NOTHING_DONE
    if error.errno not in {errno.EPIPE, errno.ENOSPC, errno.EDQUOT}:
        print_bug(error)
        return Exit.BUG
    with contextlib.suppress(OSError, AttributeError):  # else Python's own flush at the end fails once more, and loudly
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:  # the reader has gone, as `head` does
        return Exit.DONE
    print_error(SetupError("NO_SPACE", error.filename or "standard output", "no space left"))
    return Exit.ENVIRONMENT
