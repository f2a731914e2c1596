"""Deploying: what is refused, and the whole way on an emulator of AWS, from an empty account to a
published site, another word of the origin and back. What no emulator has is in operations.md."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import boto3
import pytest
import yaml
from infra import bundle, deploy, plans, releases, template

from quietdesk.city import City
from quietdesk.errors import BadCity
from quietdesk.pages import Pages
from quietdesk.signed import Trust
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.device import keyring, upload
from quietdesk.store import open_store
from quietdesk.website.profile import compile_profile
from quietdesk.wire import b64
from tests.emulators import be_patient, emulator
from tests.world import CHEAP, PASSPHRASE, PROFILE, ROOT, make_custodian

ACCOUNT = "000000000000"
KEY = b64(b"a public key")
OTHER = b64(b"another one")
PLAN = plans.Plan(ACCOUNT, "help.example.org", "arn:aws:acm:x", (KEY, OTHER), 2, "a@example.org")


@pytest.fixture(scope="module")
def serious(city):
    """A city that may go into production."""
    return replace(
        city, deployment="oak", run_by="Oak City Clerk", retention_authority="Schedule 12-3"
    )


def refusals(plan=PLAN, stage="production", city=None, unreviewed=(), told=""):
    return plans.refusals(plan, stage, city, unreviewed, told)


def test_what_is_whole_is_not_refused(serious):
    assert refusals(city=serious) == []


@pytest.mark.parametrize(
    ("said", "changed"),
    [
        ("domain", {"plan": replace(PLAN, domain="")}),
        ("certificate", {"plan": replace(PLAN, certificate="")}),
        ("custodians", {"plan": replace(PLAN, custodians=(KEY,))}),
        ("custodians", {"plan": replace(PLAN, custodians=(KEY, KEY))}),
        ("threshold", {"plan": replace(PLAN, threshold=1)}),
        ("reviewed the privacy page in es, ru", {"unreviewed": ["es", "ru"]}),
        ("reviewed the privacy page", {"unreviewed": ["es"], "told": "yes"}),
    ],
)
def test_what_is_not_decided_is_refused(serious, said, changed):
    (reason,) = refusals(**{"city": serious, **changed})

    assert said in reason


@pytest.mark.parametrize(
    ("field", "value"), [("retention_authority", " "), ("run_by", ""), ("deployment", "demo")]
)
def test_what_the_programme_leaves_open_is_refused_in_production_only(serious, field, value):
    city = replace(serious, **{field: value})

    assert [reason.split()[0] for reason in refusals(city=city)] == [field]
    assert refusals(city=city, stage="demo") == []


def test_unreviewed_pages_go_out_when_that_is_said_in_words(serious):
    assert refusals(city=serious, unreviewed=["es"], told=plans.UNREVIEWED) == []


def test_no_translation_that_ships_has_been_reviewed():
    assert "es" in plans.unreviewed_privacy(ROOT / "site" / "city")


@pytest.mark.parametrize("text", ["", "production: {}", "production: [", "demo: {account: 1}"])
def test_a_plan_that_is_not_whole_names_its_file(tmp_path, text):
    (tmp_path / "deploy.yml").write_text(text)

    with pytest.raises(BadCity, match=r"deploy\.yml: production needs account"):
        plans.read_plan(tmp_path, "production")


def test_a_city_without_a_plan_is_told_so(tmp_path):
    with pytest.raises(BadCity, match="no such file"):
        plans.read_plan(tmp_path, "demo")


def test_the_plan_that_ships_can_be_read_and_is_refused():
    plan = plans.read_plan(ROOT / "site" / "city", "demo")

    assert plan.domain == plans.CLOUDFRONT
    assert any("custodians" in reason for reason in refusals(plan, "demo"))


def test_the_page_for_who_asks_too_often_fits_into_the_firewall(city):
    page = Pages(city, (), 1).busy()

    assert len(page.encode()) <= 4096  # bytes, of a custom response body and of a parameter
    assert page.count("<p lang=") == len(city.locales)
    assert city.phone in page


def test_a_sites_release_has_the_name_of_its_bytes():
    files = {"a": b"1", "b": b"2"}

    assert releases.release_of(files) == releases.release_of(dict(reversed(files.items())))
    assert releases.release_of(files) != releases.release_of({"a": b"12", "b": b""})
    assert releases.release_of(files) != releases.release_of({"a": b"1", "c": b"2"})


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("es/index.html", "text/html; charset=utf-8"),
        ("assets/form.css", "text/css; charset=utf-8"),
        ("assets/qr.svg", "image/svg+xml; charset=utf-8"),
        ("assets/x.png", "image/png"),
        ("sitemap.xml.gz", "application/gzip"),
    ],
)
def test_files_are_sent_as_what_they_are(path, kind):
    assert releases.content_type(path) == kind


def test_scripts_are_sent_as_scripts_in_utf_8():
    # Python 3.12 changed the name; browsers take both.
    known = {f"{kind}/javascript; charset=utf-8" for kind in ("text", "application")}
    assert releases.content_type("assets/form.js") in known


# --- The whole way -------------------------------------------------------------------------------


@pytest.fixture
def emulated_aws(emulators, tmp_path_factory, monkeypatch):
    """An account with nothing in it."""
    with emulator("ministack", tmp_path_factory.mktemp("aws"), services="") as running:
        for name, value in running.environment().items():
            monkeypatch.setenv(name, value)
        be_patient(monkeypatch.setattr)
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        yield running


@pytest.fixture
def folder(tmp_path, custodian):
    """A city of its own, with a plan."""
    city = shutil.copytree(ROOT / "site/city", tmp_path / "city")
    programme = city / "programme.yml"
    programme.write_text(programme.read_text().replace("deployment: demo ", "deployment: oak "))
    other = make_custodian()
    plan = {
        "account": ACCOUNT,
        "domain": plans.CLOUDFRONT,
        "custodians": [b64(custodian.public_key), b64(other.public_key)],
        "threshold": 2,
        "alarms": "desk@example.org",
    }
    (city / "deploy.yml").write_text(yaml.safe_dump({"demo": plan}))
    return city, (custodian, other)


def run(folder, command):
    return deploy.main([command, "--city", str(folder), "--stage", "demo", "--yes"])


def mint(folder, custodians):
    city = City.from_data(compile_profile(folder, ROOT / "site" / "words"))
    trust = Trust(tuple(it.public_key for it in custodians), 2, city.deployment)
    now = datetime.now(UTC)
    store = open_store("dynamodb:quietdesk-oak")
    device = keyring.new("device", trust, PASSPHRASE, CHEAP)
    device = device.topped_up(upload.coming(city, now))
    upload.upload_wrap_keys(store, device, city, now)
    ceremony.admit(store, city, trust, custodians, device.public_key, now)
    ceremony.mint(store, city, trust, custodians, 2, now)
    store.close()


def word():
    """What the functions accept, and what CloudFront says."""
    function = boto3.client("lambda").get_function_configuration(
        FunctionName="quietdesk-oak-submit"
    )
    accepted = function["Environment"]["Variables"]["QUIETDESK_ORIGIN"].split()
    cloudfront = boto3.client("cloudfront")
    (listed,) = cloudfront.list_distributions()["DistributionList"]["Items"]
    config = cloudfront.get_distribution_config(Id=listed["Id"])["DistributionConfig"]
    origins = {it["Id"]: it for it in config["Origins"]["Items"]}
    (header,) = origins["functions"]["CustomHeaders"]["Items"]
    return accepted, header["HeaderValue"], origins["site"]["OriginPath"]


def test_from_an_empty_account_to_a_site_and_back(
    emulated_aws, folder, lambdas_python, capfd, monkeypatch
):
    folder, custodians = folder
    monkeypatch.setattr(bundle, "OUT", ROOT / "build" / "bundle.zip")
    # The same sources give the same bytes, as test_bundle.py shows: one of three times will do.
    monkeypatch.setattr(bundle, "build", cache(bundle.build))

    # Without a signed key there are tables and policies, and nothing that residents could open.
    assert run(folder, "deploy") == 1
    said = capfd.readouterr().out
    assert "$8.60 a month" in said and "keys mint" in said
    tables = boto3.client("dynamodb").list_tables()["TableNames"]
    assert tables == [f"quietdesk-oak-{name}" for name in ("keys", "public", "requests")]
    assert boto3.client("lambda").list_functions()["Functions"] == []
    assert run(folder, "publish-site") == 1
    assert "make deploy first" in capfd.readouterr().err

    # Custodians mint, and it opens.
    mint(folder, custodians)
    assert run(folder, "deploy") == 0
    stack = boto3.client("cloudformation").describe_stacks(StackName="quietdesk-oak")["Stacks"][0]
    told = {it["ParameterKey"]: it["ParameterValue"] for it in stack["Parameters"]}
    assert told["BusyPage"].startswith(
        '<!doctype html><meta charset="utf-8"><p lang="en" dir="ltr">'
    )
    assert told["Custodians"] == " ".join(b64(it.public_key) for it in custodians)
    accepted, spoken, path = word()
    assert accepted == [spoken] and len(spoken) >= 43
    assert path == "/none"

    # A week without a key closes the form, never what is open: no function goes, nor the site.
    dynamodb = boto3.client("dynamodb")
    for item in dynamodb.scan(TableName="quietdesk-oak-public")["Items"]:
        if item["name"]["S"].startswith("bundle#"):
            dynamodb.delete_item(TableName="quietdesk-oak-public", Key={"name": item["name"]})
    capfd.readouterr()
    assert run(folder, "deploy") == 0
    assert "The form is closed: no key for" in capfd.readouterr().out
    assert len(boto3.client("lambda").list_functions()["Functions"]) == 3

    # The site is published at its own address, and the edge serves that folder. The commands of
    # this computer still know the city they knew.
    assert run(folder, "publish-site") == 0
    assert City.load(PROFILE).deployment == "demo"
    release = word()[2].removeprefix("/")
    s3 = boto3.client("s3")
    bucket = f"quietdesk-oak-site-{ACCOUNT}"
    page = s3.get_object(Bucket=bucket, Key=f"{release}/es/index.html")
    assert page["ContentType"] == "text/html; charset=utf-8"
    assert page["CacheControl"] == releases.CACHE
    assert b".cloudfront.net/es/" in page["Body"].read()
    form = s3.get_object(Bucket=bucket, Key=f"{release}/en/request/index.html")["Body"].read()
    assert all(b64(it.public_key).encode() in form for it in custodians)
    assert s3.head_object(Bucket=bucket, Key=f"{release}/404.html")

    # The functions know that address too: a code counts only from a page of it.
    for name in ("submit", "check"):
        function = boto3.client("lambda").get_function_configuration(
            FunctionName=f"quietdesk-oak-{name}"
        )
        address = function["Environment"]["Variables"]["QUIETDESK_ADDRESS"]
        assert address.startswith("https://") and address.endswith(".cloudfront.net")

    # Another word: the functions know both, CloudFront says the new one.
    assert run(folder, "rotate-origin") == 0
    both, fresh, _ = word()
    assert both == [fresh, spoken] and fresh != spoken

    # And back to the release before, with its word and its site.
    assert run(folder, "rollback") == 0
    assert word() == ([spoken], spoken, f"/{release}")
    assert "Release 00006 is there." in capfd.readouterr().out


def test_another_account_than_the_plans_is_refused(emulated_aws, folder, capsys):
    folder, _ = folder
    plan = yaml.safe_load((folder / "deploy.yml").read_text())
    plan["demo"]["account"] = "123456789012"
    (folder / "deploy.yml").write_text(yaml.safe_dump(plan))

    assert run(folder, "deploy") == 1
    assert "another account" in capsys.readouterr().err
    assert boto3.client("dynamodb").list_tables()["TableNames"] == []


def test_who_does_not_say_yes_changes_nothing(emulated_aws, folder, monkeypatch, capsys):
    folder, _ = folder
    monkeypatch.setattr("builtins.input", lambda _: "y")

    assert deploy.main(["deploy", "--city", str(folder), "--stage", "demo"]) == 1
    assert "you did not say yes" in capsys.readouterr().err
    assert boto3.client("s3").list_buckets()["Buckets"] == []
    assert boto3.client("dynamodb").list_tables()["TableNames"] == []


def test_a_template_that_breaks_a_rule_is_not_deployed(emulated_aws, folder, monkeypatch, capsys):
    folder, _ = folder
    read = template.read

    def spoiled(text=None):
        written = read(text)
        written["Resources"]["SubmitLog"]["Properties"]["RetentionInDays"] = 365
        return json.loads(json.dumps(written))

    monkeypatch.setattr(template, "read", spoiled)

    assert run(folder, "deploy") == 1
    assert "SubmitLog: must keep its lines for 3 days" in capsys.readouterr().err
    assert boto3.client("dynamodb").list_tables()["TableNames"] == []
