"""Lay the browser page's runtime into the package (`make web`): npm packs what is pinned, every hash is checked."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lungspot.errors import SetupError
from lungspot.web import PACKAGES, require_vendored, vendor

FOLDER = Path(__file__).resolve().parents[1] / "src" / "lungspot" / "web" / "vendor"


def main() -> None:
    """Pack, check, and write what is not there yet."""
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
        for name, data in vendor(Path(packed)):
            target = FOLDER / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            print(f"{name}: {len(data) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
