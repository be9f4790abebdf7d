"""How long and how much memory it takes to read every annotation of a folder of downloads; prints a Markdown table.

    python benchmarks/datasets.py DATA

DATA is laid out as docs/reference/datasets.md says. Each row is a fresh process; no film is opened. CPU seconds are the
process's own, for a busy machine stretches the clock and not them.
"""

import json
import subprocess
import sys
from pathlib import Path

CHILD = """
import json, resource, sys, time
from pathlib import Path

started = time.process_time()
clock = time.perf_counter()
from lungspot.datasets.catalog import DATASETS, load, load_all

name, data = sys.argv[1], Path(sys.argv[2])
imported = time.process_time() - started
cases = load_all(data) if name == "all films" else load(name, data / DATASETS[name].folder)
readings = [reading for case in cases for reading in case.readings]
print(json.dumps({
    "cases": len(cases),
    "films": sum(case.image is not None for case in cases),
    "readings": len(readings),
    "boxes": sum(len(reading.boxes()) for reading in readings),
    "cpu": time.process_time() - started,
    "import": imported,
    "clock": time.perf_counter() - clock,
    "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


def main() -> None:
    """Print one row a dataset that is below the folder, and one for all films together."""
    from lungspot.datasets.catalog import DATASETS  # noqa: PLC0415 - a parent that measured would measure itself

    data = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data")
    print("| dataset | cases | with film | readings | boxes | CPU s | of it import | clock s | peak MiB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in [*(name for name, one in DATASETS.items() if (data / one.folder).is_dir()), "all films"]:
        done = subprocess.run([sys.executable, "-c", CHILD, name, data], check=True, stdout=subprocess.PIPE)
        row = json.loads(done.stdout)
        counts = " | ".join(f"{row[key]:,}" for key in ("cases", "films", "readings", "boxes"))
        print(
            f"| {name} | {counts} | {row['cpu']:.2f} | {row['import']:.2f} | {row['clock']:.2f} | {row['mib']:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
