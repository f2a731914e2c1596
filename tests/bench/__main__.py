"""`python -m tests.bench [--quick] [MEASURE ...]`: the table, and build/bench.json."""

import argparse
import json
import platform
import sys
import traceback

from tests.bench.alone import measured
from tests.bench.table import Row, cores, written
from tests.world import ROOT

# Name on the command line, and what measures it.
MEASURES = {
    "open": "opening:measure",
    "seal": "sealing:measure",
    "page": "loading:measure",
    "lighthouse": "lighthouse:measure",
    "cold": "starting:measure",
    "bundle": "bundled:measure",
    "warm": "answering:measure",
    "check": "answering:measure_check",
    "desk": "desk:measure",
    "store": "storing:measure",
    "emulators": "storing:measure_emulators",
}
TARGET = ROOT / "build/bench.json"


def main() -> int:
    """Prints the table; 1 when something could not be measured. A missed aim is no failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("measure", nargs="*", help=f"of {', '.join(MEASURES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that it runs")
    chosen = parser.parse_args()
    if unknown := set(chosen.measure) - set(MEASURES):
        parser.error(f"there is no measure {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    failed = []
    for name in chosen.measure or MEASURES:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        try:
            rows += measured(MEASURES[name], chosen.quick)
        except Exception:
            traceback.print_exc()
            failed.append(name)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    python = platform.python_version()
    machine = {"cores": cores(), "python": python, "quick": chosen.quick}
    found = {**machine, "failed": failed, "rows": [row.as_json() for row in rows]}
    TARGET.write_text(json.dumps(found, indent=1) + "\n")
    print(written(rows))
    print(f"{cores()} cores, Python {python}; also in {TARGET.relative_to(ROOT)}")
    for name in failed:
        print(f"{name} could not be measured", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
