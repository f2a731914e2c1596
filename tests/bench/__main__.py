"""`python -m tests.bench [--quick] [MEASURE ...]`: the table, and build/bench.json."""

import argparse
import json
import platform
import sys
import traceback
from collections.abc import Sequence

from tests.bench.alone import measured
from tests.bench.table import NotHere, Row, cores, written
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
    "destroy": "destroying:measure",
    "destroy-emulator": "destroying:measure_emulator",
}
TARGET = ROOT / "build/bench.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table; 1 when something could not be measured. A missed aim is no failure, nor is
    a measure that is left out, and said to be, for want of something on this machine."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("measure", nargs="*", help=f"of {', '.join(MEASURES)}; default: all")
    parser.add_argument(
        "--quick", action="store_true", help="small numbers, to see that it runs; nothing is kept"
    )
    chosen = parser.parse_args(argv)
    if unknown := set(chosen.measure) - set(MEASURES):
        parser.error(f"there is no measure {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    failed: list[str] = []
    left_out: dict[str, str] = {}
    for name in chosen.measure or MEASURES:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        try:
            rows += measured(MEASURES[name], chosen.quick)
        except NotHere as reason:
            left_out[name] = str(reason)
        except Exception:
            traceback.print_exc()
            failed.append(name)
    print(written(rows))
    machine = {"cores": cores(), "python": platform.python_version()}
    print(f"{cores()} cores, Python {machine['python']}")
    if not chosen.quick:
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        found = {**machine, "failed": failed, "left_out": left_out}
        found["rows"] = [row.as_json() for row in rows]
        TARGET.write_text(json.dumps(found, indent=1) + "\n")
        print(f"also in {TARGET}")
    for name, missing in left_out.items():
        print(f"{name} was left out: {missing}", file=sys.stderr)
    for name in failed:
        print(f"{name} could not be measured", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
