"""The zip for Lambda: the same bytes each time, nothing that no function needs, and it runs."""

import json
import os
import platform
import re
import struct
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest
from infra import bundle

from quietdesk import cloud
from quietdesk.wire import b64
from tests.events import FORM, JSON, OURS, event, text
from tests.runtime_api import kept, on_lambda
from tests.test_imports import NOT_NEEDED
from tests.waiting import CEILING
from tests.world import ASKED, ROOT, make_world

CITY = ROOT / "site" / "city"
ORIGIN = "the-word-of-the-origin"
TOP = {
    "_cffi_backend", "aws_lambda_powertools", "botocore", "cffi", "cryptography",
    "dateutil", "jinja2", "jmespath", "markupsafe", "pycparser", "quietdesk", "six",
    "typing_extensions", "tzdata", "urllib3",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(lambdas_python, tmp_path_factory):
    """The bundle and its hash."""
    out = tmp_path_factory.mktemp("bundle") / "bundle.zip"
    return out, bundle.build(out, CITY)


@pytest.fixture(scope="module")
def names(made):
    with zipfile.ZipFile(made[0]) as packed:
        return packed.namelist()


def test_the_same_sources_give_the_same_bytes(made, tmp_path):
    again = tmp_path / "deeper" / "again.zip"

    assert bundle.build(again, CITY) == made[1]
    assert again.read_bytes() == made[0].read_bytes()


def test_nothing_of_staff_or_of_the_sites_build_is_in_it(names):
    ours = {name.removeprefix("quietdesk/") for name in names if name.startswith("quietdesk/")}

    there = {"handler.py", "cloud.py", "events.py", "intake/submit.py", "sweep.py"}
    assert there <= ours
    for left_out in ("staff/", "website/", "local.py", "wsgi.py"):
        assert not [name for name in ours if name.startswith(left_out)]


def test_the_city_is_in_it_and_what_compiles_it_is_not(made, names):
    with zipfile.ZipFile(made[0]) as packed:
        assert json.loads(packed.read(bundle.PROFILE))["deployment"] == "demo"
        ours = [name for name in names if name.startswith("quietdesk/") and name.endswith(".py")]
        assert not [name for name in ours if b"compile_profile" in packed.read(name)]
    assert not [name for name in names if name.startswith(("yaml/", "babel/"))]


def test_only_known_packages_are_in_it_and_of_botocores_data_only_dynamodbs(names):
    packages = {
        name.partition("/")[0].partition(".")[0] for name in names if "dist-info" not in name
    }
    assert packages - {"__pycache__", "city"} == TOP

    data = {name.split("/")[2] for name in names if name.startswith("botocore/data/")}
    assert data == bundle.KEPT_DATA


def test_licenses_are_in_it_and_pips_own_notes_are_not(names):
    infos = {name.split("/")[0] for name in names if ".dist-info/" in name}
    licensed = {name.split("/")[0] for name in names if "LICENSE" in name.upper()}

    assert len(infos) == len(TOP) - 2  # of ours none; _cffi_backend and cffi are one
    # What a package of these does not ship as a file it names in METADATA.
    assert {f"{info}/METADATA" for info in infos} <= set(names)
    assert len(licensed & infos) >= len(infos) - 2
    assert not [name for name in names if name.endswith(("/RECORD", "/INSTALLER"))]


def test_bytecode_is_there_for_all_and_is_never_checked_against_times(made, names):
    compiled = {name for name in names if name.endswith(".pyc")}
    for name in (name for name in names if name.endswith(".py")):
        folder, _, file = name.rpartition("/")
        where = f"{folder}/__pycache__" if folder else "__pycache__"
        assert f"{where}/{file.removesuffix('.py')}.cpython-313.pyc" in compiled, name
    with zipfile.ZipFile(made[0]) as packed:
        for name in compiled:
            (flags,) = struct.unpack("<I", packed.read(name)[4:8])
            assert flags == 1, name  # PEP 552: by hash, unchecked


def test_machine_code_is_for_lambdas_machine(made, names):
    libraries = [name for name in names if name.endswith(".so")]

    assert len(libraries) >= 3
    with zipfile.ZipFile(made[0]) as packed:
        for name in libraries:
            (machine,) = struct.unpack("<H", packed.read(name)[18:20])
            assert machine == 183, name  # ELF: AArch64


def test_it_is_small_enough(made):
    assert made[0].stat().st_size <= bundle.MOST_BYTES


@pytest.mark.process
def test_without_the_python_of_lambda_it_refuses_and_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setenv("PYTHON313", sys.executable if sys.version_info[:2] != (3, 13) else "false")

    assert bundle.main(["--out", "never.zip"]) == 1
    said = capsys.readouterr().err
    assert "apt install python3.13" in said and "PYTHON313=" in said
    assert not Path("never.zip").exists()


# --- It runs -------------------------------------------------------------------------------------

PROGRAM = f"""
import json, os, sys
sys.path.insert(0, sys.argv[1])
if os.environ["QUIETDESK_STORE"].startswith("dynamodb:"):  # an emulator may take its time
    from botocore.config import Config
    from quietdesk.store.dynamodb import calls
    patient = Config(connect_timeout={CEILING}, read_timeout={CEILING})
    calls.CONFIG, calls.FUNCTION_SECONDS = calls.CONFIG.merge(patient), {CEILING}
from quietdesk.handler import handler
answers = [handler(event, None) for event in json.load(sys.stdin)]
loaded = sys.modules.get("botocore")
said = {{"answers": answers, "modules": sorted(sys.modules), "from": loaded and loaded.__file__}}
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def unpacked(lambdas_python, tmp_path_factory):
    """The bundle for this machine in a folder."""
    if sys.platform != "linux":
        pytest.skip("the bundle is for Linux")
    folder = tmp_path_factory.mktemp("unpacked")
    bundle.build(folder / "here.zip", CITY, platform.machine())
    with zipfile.ZipFile(folder / "here.zip") as packed:
        packed.extractall(folder / "task")
    return folder / "task"


def run(python, task, events, **environment):
    done = subprocess.run(
        [python, "-I", "-c", PROGRAM, task],
        input=json.dumps(events),
        capture_output=True,
        text=True,
        timeout=CEILING,
        env={
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_LOG_LEVEL": "WARN",
            "QUIETDESK_PROFILE": str(task / bundle.PROFILE),
            **{name: text for name, text in os.environ.items() if name.startswith("AWS_")},
            **environment,
        },
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("store_spec", ["sqlite", "ministack"], indirect=True)
def test_functions_of_the_bundle_answer_and_load_nothing_they_do_not_need(
    lambdas_python, unpacked, tmp_path, custodian, store_spec
):
    now = datetime.now(UTC)
    world = make_world(tmp_path, now=now, custodian=custodian, spec=store_spec)
    world.publisher().publish(now, taking=True)
    opening = str(next(it for it in world.publisher().free(now) if it.path != "desk"))
    world.store.close()
    env = {
        "QUIETDESK_STORE": world.spec,
        "QUIETDESK_CUSTODIANS": b64(custodian.public_key),
        "QUIETDESK_ORIGIN": ORIGIN,
    }
    through = {cloud.ORIGIN_HEADER: ORIGIN, **OURS}
    code = "7K3M9QXT2B6HW3ZD"
    asked = {**ASKED, "lang": "es", "step": "send", "code": code, "opening": opening}
    sent = urlencode(asked, doseq=True).encode()
    steps = [
        urlencode({"lang": "es", "step": step, "code": code}).encode()
        for step in ("see", "yes", "see")
    ]
    submit = run(
        lambdas_python,
        unpacked,
        [event("POST", "/api/requests", sent, FORM, through), event("GET", "/api/openings")],
        QUIETDESK_FUNCTION="submit",
        **env,
    )
    check = run(
        lambdas_python,
        unpacked,
        [event("POST", "/api/requests/check", step, FORM, through) for step in steps],
        QUIETDESK_FUNCTION="check",
        **env,
    )
    swept = run(lambdas_python, unpacked, [{}], QUIETDESK_FUNCTION="sweep", **env)

    assert [it["statusCode"] for it in submit["answers"]] == [201, 403]
    said = [text(answer) for answer in check["answers"]]
    assert "Usted tiene una cita" in said[0]
    assert "Está cancelada" in said[1]
    assert "No encontramos nada" in said[2]
    assert swept["answers"] == [None]
    for name in {*NOT_NEEDED, "boto3", "s3transfer"}:
        assert not [it for it in submit["modules"] if f"{it}.".startswith(f"{name}.")], name
    assert "quietdesk.intake" not in swept["modules"]


def test_the_bundles_own_botocore_knows_dynamodb(lambdas_python, unpacked, tmp_path):
    env = {
        "QUIETDESK_STORE": "dynamodb:nowhere",
        "QUIETDESK_ORIGIN": ORIGIN,
        "QUIETDESK_CUSTODIANS": "",
        "QUIETDESK_FUNCTION": "submit",
        "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9",  # nobody listens there
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    asked = [event("GET", "/api/openings", headers={cloud.ORIGIN_HEADER: ORIGIN})]
    said = run(lambdas_python, unpacked, asked, **env)

    assert said["answers"][0]["statusCode"] == 503
    assert said["from"].startswith(str(unpacked))
    for name in ("boto3", "pydantic", "aws_xray_sdk"):
        assert name not in said["modules"]


# --- What it says, in Lambda's own client ---------------------------------------------------------

PLANTED = "plantedbundle31"
CLIENT = ("awslambdaric==", "simplejson==", "snapshot-restore-py==")
# Fails in its own way for each document that is asked for, and lets a library talk of it.
FAILING = """
import logging, os, warnings
from quietdesk.errors import StoreBusy
from quietdesk.store.sqlite import Sqlite

def read(self, name):
    said = f"{name} {os.environ['PLANTED']}"
    logging.getLogger("botocore").error(said)
    warnings.warn(said)
    raise StoreBusy(said) if name.startswith("openings") else RuntimeError(said)

Sqlite.read = read
from quietdesk.handler import handler
"""


@pytest.fixture(scope="module")
def client(unpacked, tmp_path_factory):
    """Lambda's client for its own Python, in a folder; the lock has it for ours."""
    folder = tmp_path_factory.mktemp("client")
    entries = re.split(r"\n(?=\S)", (ROOT / "infra" / "locks" / "dev.txt").read_text("utf-8"))
    lock = folder / "lock.txt"
    lock.write_text("\n".join(it for it in entries if it.startswith(CLIENT)) + "\n")
    assert bundle.fetch(folder / "client", platform.machine(), lock)
    return folder / "client"


@pytest.fixture
def on_lambdas_python(lambdas_python, unpacked, client, world, tmp_path):
    """Starts the bundle as Lambda does, with that level: a context of the function, and what it
    printed."""
    (tmp_path / "planted").mkdir()
    (tmp_path / "planted" / "failing.py").write_text(FAILING)
    log = tmp_path / "lambda.log"

    def start(name, at="WARN", handler="quietdesk.handler.handler", **more):
        env = {
            "PYTHONPATH": os.pathsep.join(map(str, (unpacked, client, tmp_path / "planted"))),
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_LOG_LEVEL": at,
            "QUIETDESK_FUNCTION": name,
            "QUIETDESK_PROFILE": str(unpacked / bundle.PROFILE),
            "QUIETDESK_STORE": world.spec,
            "QUIETDESK_CUSTODIANS": b64(world.custodian.public_key),
            "QUIETDESK_ORIGIN": ORIGIN,
            "PLANTED": PLANTED,
            **more,
        }
        return on_lambda(handler, env, log, python=lambdas_python, trace=PLANTED)

    return start, log


def asked(path, method="GET", body=b"", **more):
    around = {cloud.ORIGIN_HEADER: ORIGIN, "User-Agent": PLANTED, "X-Anything": PLANTED, **more}
    return event(method, f"{path}?{PLANTED}", body, JSON if body else "", around)


def told(line):
    return line["level"], line["message"], line.get("error"), line.get("status")


def test_what_goes_wrong_in_the_bundle_is_in_the_log_that_lambda_keeps(on_lambdas_python):
    start, log = on_lambdas_python
    with start("submit", handler="failing.handler") as function:
        answers = [
            function(asked("/api/openings"), None),
            function(asked("/api/keys/main/current"), None),
            function(asked("/api/requests", "POST", f'"{PLANTED}"'.encode()), None),
        ]

    printed = log.read_text()
    lines = kept(printed, "WARN")
    assert [it["statusCode"] for it in answers] == [503, 500, 400]
    assert [told(it) for it in lines] == [
        ("WARN", "answered", "StoreBusy", 503),
        ("ERROR", "answered", "Foreign", 500),
    ]
    # Nothing else is printed, at whatever level, and nothing tells more than the minute.
    assert printed.splitlines() == [json.dumps(it, separators=(",", ":")) for it in lines]
    assert all(re.fullmatch(r"[-0-9]{10}T\d\d:\d\d:00Z", it["timestamp"]) for it in lines)
    assert PLANTED not in printed + str(answers) and "bundle#" not in printed
    # The line of the releases before, without its time: Lambda took it for INFO.
    before = [{name: it[name] for name in it if name != "timestamp"} for it in lines]
    assert [it for line in before for it in kept(json.dumps(line), "WARN")] == []


def test_a_function_that_does_not_start_says_so_where_it_is_kept(on_lambdas_python, tmp_path):
    start, log = on_lambdas_python
    damaged = tmp_path / "damaged.json"
    damaged.write_text(json.dumps({"zone": PLANTED}))  # whose reader quotes it
    for wrong in ({"QUIETDESK_THRESHOLD": "none"}, {"QUIETDESK_PROFILE": str(damaged)}):
        with pytest.raises(AssertionError, match="did not start"), start("submit", **wrong):
            pass

    lines = kept(log.read_text(), "WARN")
    ours = [told(it) for it in lines if it.get("message")]
    assert ours == [
        ("ERROR", "did not start", "BadSetting", None),
        ("ERROR", "did not start", "Foreign", None),
    ]
    # Beside them what Lambda's client says: of a setting which, of a foreign error nothing.
    theirs = [it["errorMessage"] for it in lines if not it.get("message")]
    assert theirs == [
        "QUIETDESK_THRESHOLD must be a whole number of 1 or more",
        "the function did not start",
    ]
    assert PLANTED not in log.read_text()


def test_sweep_of_the_bundle_says_what_it_did_and_that_it_could_not(on_lambdas_python, world):
    start, log = on_lambdas_python
    with start("sweep", at="INFO") as function:
        function({PLANTED: PLANTED}, None)
        rev = (world.store.read("record#main") or (b"", 0))[1]
        world.store.publish("record#main", PLANTED.encode(), rev)
        function({PLANTED: PLANTED}, None)

    lines = kept(log.read_text(), "INFO")
    swept, metric, failed, theirs = lines
    assert (*told(swept), type(swept["weeks"])) == ("INFO", "swept", None, None, int)
    assert swept["timestamp"].endswith(":00Z")
    # CloudWatch takes a figure out of a line in this format, whatever its level.
    (figure,) = metric["_aws"]["CloudWatchMetrics"]
    assert [it["Name"] for it in figure["Metrics"]] == ["DaysOfKeys"]
    assert told(failed)[:3] == ("ERROR", "not swept", "BadRecord")
    assert (theirs["level"], theirs["errorType"]) == ("ERROR", "NotSwept")
    assert len(kept(log.read_text(), "WARN")) == 2
    assert PLANTED not in log.read_text()
