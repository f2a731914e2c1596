"""docs/openapi.yaml: it names the routes that there are, and what is answered is what it says."""

import re

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, settings
from schemathesis import checks

from quietdesk import intake
from quietdesk.intake.answers import STATUS
from quietdesk.intake.posted import CARRIED
from quietdesk.request import FIELDS
from tests.examples import examples
from tests.serving import serving
from tests.world import NOON, ROOT, make_world

DOCUMENT = ROOT / "docs/openapi.yaml"
SCHEMA = schemathesis.openapi.from_path(DOCUMENT)
# A wrong header or method is answered by the gateway in front, which is not here.
CHECKED = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def running(tmp_path_factory, site, custodian):
    world = make_world(tmp_path_factory.mktemp("described"), custodian=custodian)
    world.publisher().publish(NOON)
    with serving(world, site) as served:
        yield served.url
    world.store.close()


def document():
    return yaml.safe_load(DOCUMENT.read_text("utf-8"))


def routes():
    """Method and path of every route of the functions."""
    return {
        (route.method.lower(), re.sub(r"<(\w+)>", r"{\1}", route.pattern).rstrip("/"))
        for route in [*intake.SUBMIT, *intake.CHECK]
    }


def test_document_names_every_route_and_no_other():
    named = {
        (method, path)
        for path, item in document()["paths"].items()
        for method in item
        if method != "parameters"
    }

    assert named == routes()
    assert len(named) == 8


def test_document_names_every_field_of_the_form():
    fields = set(document()["components"]["schemas"]["PlainForm"]["properties"])

    assert fields == {*FIELDS, *CARRIED}


def test_document_names_every_code_of_a_refusal():
    named = set(document()["components"]["schemas"]["Refusal"]["properties"]["error"]["enum"])

    assert set(STATUS) <= named


@SCHEMA.parametrize()
@settings(examples(25), suppress_health_check=list(HealthCheck))
def test_what_is_answered_is_what_the_document_says(case, running):
    answer = case.call(base_url=running)

    case.validate_response(answer, checks=CHECKED)
    if answer.headers["content-type"] == ["application/octet-stream"]:
        assert len(answer.content) == 284
