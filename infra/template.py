"""The SAM template as CloudFormation will see it, and who may do what in it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

PATH = Path(__file__).parent / "template.yaml"
REGION = "us-east-1"

Template = dict[str, Any]


def read(text: str | None = None) -> Template:
    """The template as it is written, tags such as `!Ref` as `{"Ref": …}`."""
    parsed: Template = yaml_parse(PATH.read_text("utf-8") if text is None else text)
    return parsed


def render(template: Template) -> Template:
    """What the SAM transform makes of it. It changes `template`. Raises an error of
    samtranslator's when SAM does not understand it."""
    # It cannot look at a zip that is not built; to it any address of one will do.
    template["Globals"]["Function"]["CodeUri"] = "s3://code/bundle.zip"
    # A region and nothing else: nobody is asked anything.
    session = boto3.Session(region_name=REGION)
    rendered: Template = Translator({}, Parser(), boto_session=session).translate(template, {})
    return rendered


def of_type(rendered: Template, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and properties of every resource of a type."""
    for name, resource in rendered["Resources"].items():
        if resource["Type"] == kind:
            yield name, resource.get("Properties", {})


@dataclass(frozen=True, order=True, slots=True)
class Right:
    """One thing that a role may do: an action of DynamoDB's on a table, for keys that begin so
    and for no other attributes than these ("" is: any)."""

    role: str
    table: str
    action: str
    keys: str = ""
    attributes: str = ""


def rights(rendered: Template) -> list[Right]:
    """Who may do what on the three tables, every role's and every staff policy's. Raises ValueError
    for a statement that it does not understand: it may allow anything."""
    found = set()
    for name, statements in policies(rendered):
        for statement in statements:
            found |= set(_rights(name, statement))
    return sorted(found)


def policies(rendered: Template) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Name and statements of every role and staff policy."""
    for name, role in of_type(rendered, "AWS::IAM::Role"):
        for policy in role.get("Policies", []):
            yield name.removesuffix("Role").lower(), policy["PolicyDocument"]["Statement"]
    for name, policy in of_type(rendered, "AWS::IAM::ManagedPolicy"):
        yield name.removesuffix("Policy").lower(), policy["PolicyDocument"]["Statement"]


def _rights(role: str, statement: Mapping[str, Any]) -> Iterator[Right]:
    if statement["Effect"] != "Allow" or {"NotAction", "NotResource"} & set(statement):
        raise ValueError(f"{role}: only what is allowed is written down")
    keys, attributes = _limits(role, statement.get("Condition", {}))
    for resource in _list(statement["Resource"]):
        table = re.fullmatch(r"(\w+)(Table|Log)\.Arn", attribute(resource))
        if table is None:
            raise ValueError(f"{role}: {resource} is no table and no log of ours")
        for action in _list(statement["Action"]):
            service, _, verb = action.partition(":")
            if (service, table[2]) not in (("dynamodb", "Table"), ("logs", "Log")) or "*" in verb:
                raise ValueError(f"{role}: {action} on {resource}")
            if service == "dynamodb":
                yield Right(role, table[1].lower(), verb, keys, attributes)


def _limits(role: str, condition: Mapping[str, Any]) -> tuple[str, str]:
    keys, attributes = "", ""
    for test, pairs in condition.items():
        for key, value in pairs.items():
            said = " ".join(_list(value))
            if (test, key) == ("ForAllValues:StringLike", "dynamodb:LeadingKeys"):
                keys = said
            elif (test, key) == ("ForAllValues:StringEquals", "dynamodb:Attributes"):
                attributes = said
            elif (test, key, said) != ("StringEquals", "dynamodb:Select", "SPECIFIC_ATTRIBUTES"):
                raise ValueError(f"{role}: a condition of another kind: {test} {key}")
    return keys, attributes


def attribute(value: Any) -> str:
    """`Name.Arn` of a GetAtt in either of its spellings."""
    said = value.get("Fn::GetAtt", "") if isinstance(value, dict) else ""
    return ".".join(said) if isinstance(said, list) else str(said)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
