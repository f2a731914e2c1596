"""Ports that are reserved, and waiting that ends."""

import subprocess
import sys

import pytest

from tests import waiting
from tests.world import ROOT

# Another process of tests, which takes its port and keeps it until it is told to end.
OTHER = """
from tests import waiting
waiting._PORTS = range({port}, {port} + 1)
print(waiting.free_port(), flush=True)
input()
"""


def test_no_two_servers_get_one_port():
    ports = {waiting.free_port() for _ in range(50)}

    assert len(ports) == 50
    assert not ports & set(range(32_768, 65_536))


@pytest.mark.process
def test_port_of_another_process_is_free_again_when_that_ends(monkeypatch):
    port = waiting.free_port() + 10_000  # of which nobody else takes one
    program = OTHER.format(port=port)
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as other:  # fmt: skip
        assert int(other.stdout.readline()) == port
        monkeypatch.setattr(waiting, "_PORTS", range(port, port + 1))
        with pytest.raises(AssertionError, match="no port is free"):
            waiting.free_port()
        other.communicate("\n")

    assert waiting.free_port() == port


def test_what_does_not_happen_ends_at_the_ceiling(monkeypatch):
    monkeypatch.setattr(waiting, "CEILING", 0.0)

    with pytest.raises(AssertionError, match="did not happen"):
        waiting.until(lambda: "")
    assert waiting.until(lambda: "there") == "there"
