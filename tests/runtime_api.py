"""A small Lambda Runtime API (2018-06-01) for tests: it hands events to `awslambdaric`, the client
that runs functions on Lambda, in a process of its own, and takes back what that says.
"""

import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from quietdesk.wire import b64
from tests.waiting import CEILING
from tests.world import NOON, ROOT, World

# API Gateway's own words, which say nothing of what went wrong.
JSON = {"Content-Type": "application/json"}
BROKEN = {"statusCode": 500, "headers": JSON, "body": '{"message":"Internal Server Error"}'}
LATE = {"statusCode": 503, "headers": JSON, "body": '{"message":"Service Unavailable"}'}

# From the most detailed on (Lambda developer guide, "Log-level filtering").
LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"]
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
# What AWS traces a call by. A phone may choose the last part; the one before is the second.
TRACE = "Root=1-692c1f2f-{};Sampled=0"


def level(line: str) -> str:
    """The level for which Lambda takes a line that a function prints, where its log is JSON: that
    in the line if it is one of Lambda's words and a valid time stands beside it, else INFO."""
    try:
        said = json.loads(line)
    except ValueError:
        return "INFO"
    if not isinstance(said, dict) or not _RFC_3339.fullmatch(str(said.get("timestamp"))):
        return "INFO"
    word = str(said.get("level")).upper()
    return word if word in LEVELS else "INFO"


def kept(printed: str, at: str) -> list[dict[str, Any]]:
    """The lines of JSON that Lambda keeps of what a function printed, at that level."""
    lines = [it for it in printed.splitlines() if LEVELS.index(level(it)) >= LEVELS.index(at)]
    return [json.loads(it) for it in lines if it.startswith("{")]


class Function:
    """A function as API Gateway sees it. Call it with an event, one at a time. When its deadline
    comes a call is answered with 503, and the process is killed and started anew, as on Lambda."""

    def __init__(
        self,
        handler: str,
        env: Mapping[str, str],
        log: Path,
        python: str = sys.executable,
        trace: str = "5cd1b3f2a7e94c60",
    ):
        self._handler, self._env, self._log, self._python = handler, env, log, python
        self._trace = TRACE.format(trace)
        self._events: queue.Queue[tuple[str, bytes, float]] = queue.Queue()
        self._answers: dict[str, queue.Queue[dict[str, Any]]] = {}
        self._asked = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._api())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self._child = self._start()

    def __call__(self, event: Mapping[str, Any], context: object) -> dict[str, Any]:
        id = str(uuid.uuid4())
        self._answers[id] = queue.Queue()
        deadline = time.time() + CEILING
        self._events.put((id, json.dumps(event).encode(), deadline))
        try:
            return self._answers[id].get(timeout=CEILING)
        finally:
            del self._answers[id]

    def end(self) -> None:
        """The deadline of the call comes: what it has done is done, and nobody hears its answer."""
        self._child.kill()
        self._child.wait()
        self._child = self._start()
        for answers in list(self._answers.values()):
            answers.put(LATE)

    def stop(self) -> None:
        self._child.kill()
        self._child.wait()
        self._server.shutdown()
        self._server.server_close()

    def _start(self) -> "subprocess.Popen[bytes]":
        host, port = self._server.server_address[:2]
        env = {**os.environ, **self._env, "AWS_LAMBDA_RUNTIME_API": f"{host}:{port}"}
        self._asked.clear()
        with self._log.open("ab") as log:
            child = subprocess.Popen(
                [self._python, "-m", "awslambdaric", self._handler],
                cwd=ROOT,
                env=env,
                stdout=log,
                stderr=log,
            )
        # The time to start is not a call's: on Lambda, too, it has a limit of its own.
        while not self._asked.wait(0.05):
            assert child.poll() is None, "the function did not start"
        return child

    def _api(function: "Function") -> type[BaseHTTPRequestHandler]:
        class Api(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                function._asked.set()
                id, body, deadline = function._events.get()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", id)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int(deadline * 1000)))
                self.send_header("Lambda-Runtime-Trace-Id", function._trace)
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:::function")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                said = self.rfile.read(int(self.headers["Content-Length"]))
                id, kind = self.path.split("/")[-2:]
                answers = function._answers.get(id)
                if answers is not None:  # else it came after its deadline
                    answers.put(json.loads(said) if kind == "response" else BROKEN)
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing."""

        return Api


@contextmanager
def on_lambda(handler: str, env: Mapping[str, str], log: Path, **more: str) -> Iterator[Function]:
    """A function run by Lambda's own client, until the block ends."""
    function = Function(handler, env, log, **more)
    try:
        yield function
    finally:
        function.stop()


@contextmanager
def programme_on_lambda(
    world: World, log: Path, now: datetime = NOON, handler: str = "handler"
) -> Iterator[Function]:
    """Both functions over a world's store, of tests/lambda_entry.py, with a clock that stands still
    until a header moves it."""
    environment = {
        "QUIETDESK_STORE": world.spec,
        "QUIETDESK_CUSTODIANS": b64(world.custodian.public_key),
        "TEST_NOW": now.isoformat(),
    }
    with on_lambda(f"tests.lambda_entry.{handler}", environment, log) as function:
        yield function
