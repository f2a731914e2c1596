"""Runs all tests with busy loops beside them: `python -m tests.loaded [words for pytest]`.

A test that passes alone and fails here depends on how fast the machine is.
"""

import os
import subprocess
import sys

LOOPS = 4
# It ends by itself when whoever started it is gone, however that went.
LOOP = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(1_000_000):
        pass
"""


def main(words: list[str]) -> int:
    loops = []
    try:
        for _ in range(LOOPS):
            loops.append(subprocess.Popen([sys.executable, "-c", LOOP, str(os.getpid())]))
        return subprocess.run([sys.executable, "-m", "pytest", *words]).returncode
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
