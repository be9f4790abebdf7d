"""Lay the browser page's runtime into the package (`make web`): npm packs what is pinned, every hash is checked."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lungspot.errors import SetupError
from lungspot.web import PACKAGES, STAMP, require_vendored, vendor, vendored_stamp

FOLDER = Path(__file__).resolve().parents[1] / "src" / "lungspot" / "web" / "vendor"


def lay(packed: Path, folder: Path) -> None:
    """Write the files into a folder, empty before; its stamp comes last, so that a write cut short is none."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, data in vendor(packed):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        print(f"{name}: {len(data) / 1e6:.2f} MB")
    (folder / STAMP).write_bytes(vendored_stamp())


def main() -> None:
    """Pack, check and write the files, unless they are there as the pins want them."""
    try:
        list(require_vendored())
    except SetupError:
        pass
    else:
        return
    npm = shutil.which("npm") or "npm"
    with tempfile.TemporaryDirectory() as packed:
        try:
            subprocess.run(
                [npm, "pack", "--silent", "--ignore-scripts", *PACKAGES],
                cwd=packed,
                check=True,
                stdout=subprocess.DEVNULL,
            )
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"the page's runtime cannot be packed ({error}): install npm, or give `lungspot web` --runtime")
        lay(Path(packed), FOLDER)


if __name__ == "__main__":
    main()
