"""``lungspot export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lungspot.cli.console import Overwrite, emit, say
from lungspot.cli.data_options import Classes
from lungspot.cli.data_sources import say_classes, site_classes
from lungspot.errors import InputError
from lungspot.extras import extra
from lungspot.inputs import regular
from lungspot.outputs import Outputs

__all__ = ["export"]


def export(
    run: Annotated[Path, typer.Argument(help="A run folder of `lungspot train`, or a model file to calibrate anew.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The model file to write.")],
    data: Annotated[Path, typer.Option(help="The folder that the run was trained on.")] = Path("data"),
    cache: Annotated[Path | None, typer.Option(help="Where packed films are kept; RUN/cache if not given.")] = None,
    gate: Annotated[
        Path | None, typer.Option(help="A gate of `lungspot train-gate`, or a model file whose gate it is.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Input pixels; those that training ended with if not given.")] = None,
    mirror: Annotated[bool, typer.Option("--mirror", help="Look at the mirrored film too: slower, steadier.")] = False,
    opinion: Annotated[
        Path | None,
        typer.Option(help="A run or model file whose view of the film counts as much: the mean of both is given."),
    ] = None,
    parts: Annotated[
        list[Path] | None,
        typer.Option(
            help="A run that learnt parts of films with the model's backbone: they are looked at again. Repeatable: "
            "the mean of the runs' weights."
        ),
    ] = None,
    outlines: Annotated[
        Path | None, typer.Option(help="A run that learnt heart and lungs with its backbone: the heads are added.")
    ] = None,
    average: Annotated[
        list[Path] | None,
        typer.Option(help="Another run that began with the same network: the mean of their weights. Repeatable."),
    ] = None,
    pin: Annotated[bool, typer.Option("--pin", help="Write manifest.json with the file's hash beside it.")] = False,
    name: Annotated[str, typer.Option(help="The model's name.")] = "lungspot",
    overwrite: Overwrite = False,
    version: Annotated[str, typer.Option(help="The model's version.")] = "0",
    taught_from: Annotated[
        Path | None,
        typer.Option(help="The model file that the run began with and taught further; `default` is the shipped one."),
    ] = None,
    old_test: Annotated[
        Path | None, typer.Option(help="With --taught-from: the old data folder, on whose test films both are judged.")
    ] = None,
    class_map: Classes = None,
    worse: Annotated[
        float, typer.Option(help="With --taught-from: by how much mean AP or AUROC may fall.", min=0, max=1)
    ] = 0.02,
    notes: Annotated[
        Path | None, typer.Option(help="A text file of what people should know of this model, a paragraph a line.")
    ] = None,
) -> None:
    """Calibrate a trained detector on val, measure it on test, and write it as one sealed ONNX file."""
    from lungspot.detect import MANIFEST_FILE, default_weights, manifest_of
    from lungspot.formats import inputs_of

    with extra("train", "exporting"):
        from lungspot.train import checkpoint_file, export_run, export_taught, taught_report, write_taught
    manifest = out.parent / MANIFEST_FILE
    written = (out, manifest) if pin else (out,)
    given = (run, *(average or ()), gate, opinion, *(parts or ()), outlines, taught_from)
    networks = [checkpoint_file(each) for each in given if each]
    outputs = Outputs(inputs_of([*networks, notes, data, old_test], out=written), overwrite=overwrite)
    for file in written:
        outputs.require(file)
    classes = site_classes(class_map, data)
    if taught_from is not None:
        outputs.require(taught_report(out))
        taught = export_taught(
            *(run, data, cache or run / "cache"),
            default_weights()[0] if str(taught_from) == "default" else taught_from,
            average=average or (),
            old=old_test,
            worse=worse,
            classes=classes,
            say_classes=say_classes,
            say=say,
        )
        write_taught(taught, out, outputs)
        judged = list(taught.report["judged"])
        emit({"model": str(out), "bytes": len(taught.data), "card": taught.card.sha256, "judged_on": judged})
        return
    found = export_run(
        *(run, data, cache or (run if run.is_dir() else out.parent) / "cache"),
        average=average or (),
        size=size,
        mirror=mirror,
        gate=gate,
        opinion=opinion,
        parts=parts or (),
        outlines=outlines,
        name=name,
        version=version,
        notes=_paragraphs(notes) if notes else (),
        say=say,
    )
    outputs.write(out, found.data)
    if pin:
        outputs.write(manifest, manifest_of(out.name, found.data))
    emit({"model": str(out), "bytes": len(found.data), "card": found.card.sha256, "differences": dict(found.largest)})


def _paragraphs(path: Path) -> list[str]:
    try:
        return [line for line in regular(path).read_text("utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise InputError("NOT_FOUND", path, error.strerror or "cannot be read") from error
    except UnicodeDecodeError as error:
        raise InputError("BAD_VALUE", path, "not a text file in UTF-8") from error
