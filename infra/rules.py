"""What no deployment may do: every place on AWS that could write down who asked, and its rule.

A rule takes the rendered template and gives a sentence for each thing that is wrong. Sources are
AWS's guides to each service; docs/threat-model.md lists what cannot be switched off.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from infra.template import Template, of_type, rights
from quietdesk.store.dynamodb.calls import CALL_SECONDS, FUNCTION_SECONDS
from quietdesk.store.dynamodb.tables import TABLES
from quietdesk.web import HEADERS

ANSWERING = ("SubmitFunction", "CheckFunction")
LOG_DAYS = 3
API_SECONDS = 30  # API Gateway gives up then; ours must have answered before

# Anything else has to be thought about first: a trail, a log delivery, a query log, a stream or a
# firehose is a type of its own.
TYPES = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Stage",
    "AWS::CloudFront::CachePolicy",
    "AWS::CloudFront::Distribution",
    "AWS::CloudFront::Function",
    "AWS::CloudFront::OriginAccessControl",
    "AWS::CloudFront::OriginRequestPolicy",
    "AWS::CloudFront::ResponseHeadersPolicy",
    "AWS::CloudWatch::Alarm",
    "AWS::DynamoDB::Table",
    "AWS::Events::Rule",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Function",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Topic",
    "AWS::WAFv2::WebACL",
}
WHOSE_FORM = {"Ref": "WhoseForm"}
SAID_OF_A_FORM = {
    "CookiesConfig": {"CookieBehavior": "none"},
    "HeadersConfig": {"HeaderBehavior": "whitelist", "Headers": ["Origin", "Sec-Fetch-Site"]},
    "QueryStringsConfig": {"QueryStringBehavior": "none"},
}
# What a resource may say of itself; a property that nobody has looked at may record.
PROPERTIES = {
    "AWS::DynamoDB::Table": {
        "TableName", "BillingMode", "OnDemandThroughput", "AttributeDefinitions", "KeySchema",
        "PointInTimeRecoverySpecification",
        "ContributorInsightsSpecification", "DeletionProtectionEnabled",
    },
    "AWS::Lambda::Function": {
        "Architectures", "Code", "Environment", "FunctionName", "Handler", "LoggingConfig",
        "MemorySize", "Role", "Runtime", "Tags", "Timeout",
    },
    "AWS::Lambda::EventInvokeConfig": {
        "DestinationConfig", "FunctionName", "MaximumRetryAttempts", "Qualifier",
    },
    "AWS::Logs::LogGroup": {"LogGroupName", "RetentionInDays"},
    "AWS::ApiGatewayV2::Api": {"Body", "Tags"},
    "AWS::ApiGatewayV2::Stage": {
        "ApiId", "AutoDeploy", "DefaultRouteSettings", "StageName", "Tags",
    },
    "AWS::S3::Bucket": {"BucketName", "OwnershipControls", "PublicAccessBlockConfiguration"},
    "AWS::Events::Rule": {"ScheduleExpression", "Targets"},
}  # fmt: skip
ENVIRONMENT = {
    "QUIETDESK_CUSTODIANS",
    "QUIETDESK_FUNCTION",
    "QUIETDESK_ADDRESS",
    "QUIETDESK_ORIGIN",
    "QUIETDESK_PROFILE",
    "QUIETDESK_STAGE",
    "QUIETDESK_STORE",
    "QUIETDESK_THRESHOLD",
    "POWERTOOLS_LOGGER_LOG_EVENT",
    "POWERTOOLS_TRACE_DISABLED",
}
DIMENSIONS = {"ApiId", "Deployment", "FunctionName"}
SECRET = re.compile(r"(\{\{resolve:secretsmanager:\$\{\w+\}:SecretString:::\$\{\w+\}\}\} ?)+")

Problems = Iterator[str]


def problems(rendered: Template) -> list[str]:
    """All that is wrong with a rendered template, nothing when it may be deployed."""
    return [said for rule in RULES for said in rule(rendered)]


def only_known_types(rendered: Template) -> Problems:
    for name, resource in rendered["Resources"].items():
        if resource["Type"] not in TYPES:
            yield f"{name}: {resource['Type']} is a type that nobody has looked at"
        known = PROPERTIES.get(resource["Type"])
        for said in set(resource.get("Properties", {})) - known if known else ():
            yield f"{name}: {said} is a property that nobody has looked at"


def tables_remember_nothing(rendered: Template) -> Problems:
    tables = dict(of_type(rendered, "AWS::DynamoDB::Table"))
    for name, table in tables.items():
        if table.get("PointInTimeRecoverySpecification") != {"PointInTimeRecoveryEnabled": False}:
            yield f"{name}: point-in-time recovery must be off"
        if table.get("ContributorInsightsSpecification") != {"Enabled": False}:
            yield f"{name}: Contributor Insights lists keys that are asked for often"
        if not table.get("DeletionProtectionEnabled"):
            yield f"{name}: can be deleted by mistake"
        resource = rendered["Resources"][name]
        for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
            if resource.get(policy) != "Retain":
                yield f"{name}: {policy} must be Retain"
    made = {name.removesuffix("Table").lower(): _shape(table) for name, table in tables.items()}
    if made != TABLES:
        yield "tables: not those that quietdesk store create makes"


def _shape(table: dict[str, Any]) -> Any:
    kinds = {it["AttributeName"]: it["AttributeType"] for it in table["AttributeDefinitions"]}
    names = {it["KeyType"]: it["AttributeName"] for it in table["KeySchema"]}
    sort = names.get("RANGE")
    return (names["HASH"], kinds[names["HASH"]]), (sort, kinds.get(sort)) if sort else None


def functions_say_nothing(rendered: Template) -> Problems:
    for name, function in of_type(rendered, "AWS::Lambda::Function"):
        log = function.get("LoggingConfig", {})
        # Only JSON can be filtered by level; at INFO Lambda writes lines for each call.
        if (log.get("LogFormat"), log.get("SystemLogLevel")) != ("JSON", "WARN"):
            yield f"{name}: Lambda's own lines must be JSON at WARN"
        if name in ANSWERING and log.get("ApplicationLogLevel") != "WARN":
            yield f"{name}: a line for each answer would say when residents were here"
        # A line that counts has no level; Lambda takes it for INFO.
        if name not in ANSWERING and log.get("ApplicationLogLevel") != "INFO":
            yield f"{name}: what it counts would never be counted"
        if log.get("LogGroup", {}).get("Ref") not in rendered["Resources"]:
            yield f"{name}: logs to a group that is not in the template"
        for variable, value in function.get("Environment", {}).get("Variables", {}).items():
            if variable not in ENVIRONMENT:
                yield f"{name}: {variable} is a variable that nobody has looked at"
            if variable == "POWERTOOLS_LOGGER_LOG_EVENT" and value != "false":
                yield f"{name}: would log whole events"
            if variable == "POWERTOOLS_TRACE_DISABLED" and value != "true":
                yield f"{name}: would trace"
        if (function.get("Runtime"), function.get("Architectures")) != ("python3.13", ["arm64"]):
            yield f"{name}: the bundle is for python3.13 on arm64"
    for name, invoked in of_type(rendered, "AWS::Lambda::EventInvokeConfig"):
        if invoked.get("DestinationConfig"):
            yield f"{name}: would send events on"
    for name, timer in of_type(rendered, "AWS::Events::Rule"):
        targets = [set(target) - {"Arn", "Id"} for target in timer["Targets"]]
        if targets != [set()] or "SweepFunction" not in json.dumps(timer["Targets"]):
            yield f"{name}: calls sweep, with nothing to say, and keeps nothing that failed"


def answers_come_in_time(rendered: Template) -> Problems:
    worst = FUNCTION_SECONDS + CALL_SECONDS
    for name, function in of_type(rendered, "AWS::Lambda::Function"):
        if name in ANSWERING and not worst < function.get("Timeout", 3) < API_SECONDS:
            yield f"{name}: its timeout must lie between {worst} and {API_SECONDS} seconds"


def logs_end(rendered: Template) -> Problems:
    for name, group in of_type(rendered, "AWS::Logs::LogGroup"):
        if group.get("RetentionInDays") != LOG_DAYS:
            yield f"{name}: must keep its lines for {LOG_DAYS} days"


def api_keeps_no_log(rendered: Template) -> Problems:
    for name, stage in of_type(rendered, "AWS::ApiGatewayV2::Stage"):
        settings = stage.get("DefaultRouteSettings", {})
        if set(settings) - {
            "DetailedMetricsEnabled",
            "ThrottlingRateLimit",
            "ThrottlingBurstLimit",
        }:
            yield f"{name}: a route setting that nobody has looked at, such as data traces"
        if settings.get("DetailedMetricsEnabled") is not False:
            yield f"{name}: metrics of each route would have its address"
        if not settings.get("ThrottlingRateLimit"):
            yield f"{name}: nothing bounds how often it is called"


def edge_keeps_no_log(rendered: Template) -> Problems:
    for name, properties in of_type(rendered, "AWS::CloudFront::Distribution"):
        config = properties["DistributionConfig"]
        if "Logging" in config:
            yield f"{name}: access logs hold addresses"
        behaviours = [config["DefaultCacheBehavior"], *config.get("CacheBehaviors", [])]
        for behaviour in behaviours:
            path = behaviour.get("PathPattern", "the site")
            if "RealtimeLogConfigArn" in behaviour:
                yield f"{name}: real-time logs of {path}"
            if "LambdaFunctionAssociations" in behaviour:
                yield f"{name}: code at the edge of {path}, which logs in every region"
            passed = behaviour.get("OriginRequestPolicyId")
            if passed not in (None, WHOSE_FORM) or "ForwardedValues" in behaviour:
                yield f"{name}: {path} passes on what browsers say of themselves"
            if path == "/api/*" and passed is None:
                yield f"{name}: no function is told whose page sent a form"
            if behaviour.get("ResponseHeadersPolicyId") != {"Ref": "Headers"}:
                yield f"{name}: {path} is sent without our headers"
            if behaviour.get("ViewerProtocolPolicy") not in ("https-only", "redirect-to-https"):
                yield f"{name}: {path} can be read on the way"
        if "WebACLId" not in config:
            yield f"{name}: nothing bounds how often it is asked"
        for origin in config["Origins"]:
            for header in origin.get("OriginCustomHeaders", []):
                if not _is_secret(header["HeaderValue"]):
                    yield f"{name}: {header['HeaderName']} stands in the template"
    for name, policy in of_type(rendered, "AWS::CloudFront::CachePolicy"):
        passed = policy["CachePolicyConfig"]["ParametersInCacheKeyAndForwardedToOrigin"]
        behaviours = [value for part in passed.values() if isinstance(part, dict)
                      for value in part.values()]  # fmt: skip
        if behaviours != ["none"] * 3:
            yield f"{name}: cookies, headers or questions are passed on and kept apart"
    for name, policy in of_type(rendered, "AWS::CloudFront::OriginRequestPolicy"):
        config = dict(policy["OriginRequestPolicyConfig"])
        config.pop("Name")
        if config != SAID_OF_A_FORM:
            yield f"{name}: more is passed on than whose page sent a form"
    for name, code in of_type(rendered, "AWS::CloudFront::Function"):
        if "console" in json.dumps(code["FunctionCode"]):
            yield f"{name}: writes to a log"
    for name, function in of_type(rendered, "AWS::Lambda::Function"):
        word = function["Environment"]["Variables"].get("QUIETDESK_ORIGIN")
        if (name in ANSWERING) != (word is not None and _is_secret(word)):
            yield f"{name}: answers who does not come through CloudFront"


def _is_secret(value: Any) -> bool:
    """Whether it is nothing but references to Secrets Manager."""
    if isinstance(value, dict) and "Fn::If" in value:
        return all(_is_secret(branch) for branch in value["Fn::If"][1:])
    said = value.get("Fn::Sub", "") if isinstance(value, dict) else value
    return bool(SECRET.fullmatch(said))


def edge_sends_our_headers(rendered: Template) -> Problems:
    for name, policy in of_type(rendered, "AWS::CloudFront::ResponseHeadersPolicy"):
        config = policy["ResponseHeadersPolicyConfig"]
        if headers_of(config) != HEADERS:
            yield f"{name}: not the headers of quietdesk.web"
        if set(config) - {"Name", "SecurityHeadersConfig", "CustomHeadersConfig"}:
            yield f"{name}: allows other sites, or times requests"


def headers_of(config: dict[str, Any]) -> dict[str, str]:
    """The headers that a response headers policy puts over all others, but HSTS."""
    secure = config["SecurityHeadersConfig"]
    said = {}
    if secure.get("ContentTypeOptions", {}).get("Override"):
        said["X-Content-Type-Options"] = "nosniff"
    for header, key in (
        ("Content-Security-Policy", "ContentSecurityPolicy"),
        ("Referrer-Policy", "ReferrerPolicy"),
    ):
        if secure.get(key, {}).get("Override"):
            said[header] = secure[key][key]
    for item in config.get("CustomHeadersConfig", {}).get("Items", []):
        if item["Override"]:
            said[item["Header"]] = item["Value"]
    return said


def firewall_keeps_no_samples(rendered: Template) -> Problems:
    for name, acl in of_type(rendered, "AWS::WAFv2::WebACL"):
        for rule in [acl, *acl["Rules"]]:
            label = rule.get("Name") if rule is not acl else name
            if rule["VisibilityConfig"].get("SampledRequestsEnabled") is not False:
                yield f"{label}: samples hold addresses and headers"
            action = rule.get("Action", rule.get("OverrideAction", {"Block": {}}))
            if set(action) - {"Block"}:
                yield f"{label}: may count or block; a puzzle sets a cookie and loads scripts"
            said = json.dumps(rule.get("Statement", {}))
            if "ManagedRuleGroup" in said or "RuleGroupReference" in said:
                yield f"{label}: rules of others may label and keep requests"
        if acl.get("Scope") != "CLOUDFRONT":
            yield f"{name}: must stand before CloudFront"


def bucket_keeps_no_log(rendered: Template) -> Problems:
    for name, bucket in of_type(rendered, "AWS::S3::Bucket"):
        closed = bucket.get("PublicAccessBlockConfiguration", {})
        if list(closed.values()) != [True] * 4:
            yield f"{name}: can be opened to everybody, past CloudFront"
    for name, policy in of_type(rendered, "AWS::S3::BucketPolicy"):
        for statement in policy["PolicyDocument"]["Statement"]:
            allowed = statement["Effect"] == "Allow"
            if allowed and statement["Principal"] != {"Service": "cloudfront.amazonaws.com"}:
                yield f"{name}: somebody but CloudFront may read the bucket"


def roles_are_the_least(rendered: Template) -> Problems:
    try:
        found = rights(rendered)
    except ValueError as error:
        yield str(error)
        return
    for right in found:
        if right.action in ("Scan", "ExportTableToPointInTime", "CreateBackup") or (
            right.role in ("submit", "custodian", "auditor")
            and right.table == "requests"
            and right.action not in ("PutItem", "DescribeTable", "DescribeTimeToLive",
                                     "DescribeContinuousBackups")
        ):  # fmt: skip
            yield f"{right.role}: may {right.action} {right.table}"
        if right.action in ("PutItem", "UpdateItem") and right.table == "public" and not right.keys:
            yield f"{right.role}: may write any public document"
        if right.role in ("submit", "check") and right.table == "keys":
            yield f"{right.role}: may reach keys"
        if right.role in ("submit", "check") and right.action == "PutItem" and not right.attributes:
            yield f"{right.role}: could store what can be read"
        writes = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")
        if right.table == "keys" and right.action in writes:
            # Sweep's right to write in batches is to delete: it may name no half and no wrap.
            wraps = right.keys == "*#wraps" and right.attributes == "week name wrap"
            names = right.role == "sweep" and right.attributes == "week name"
            if right.role != "custodian" and not wraps and not names:
                yield f"{right.role}: could put a half over another"
        if right.role == "custodian" and right.table == "keys" and right.action != "PutItem":
            if (right.action, right.keys) != ("GetItem", "*#wraps"):
                yield f"{right.role}: could read halves"
        if right.role == "sweep" and right.action == "Query" and not right.attributes:
            yield f"{right.role}: could read what it destroys"
    for name, role in of_type(rendered, "AWS::IAM::Role"):
        if "ManagedPolicyArns" in role:
            yield f"{name}: has rights that stand elsewhere"


def metrics_name_nobody(rendered: Template) -> Problems:
    for name, alarm in of_type(rendered, "AWS::CloudWatch::Alarm"):
        dimensions = {dimension["Name"] for dimension in alarm.get("Dimensions", [])}
        if not dimensions or dimensions - DIMENSIONS:
            yield f"{name}: counts by {', '.join(sorted(dimensions)) or 'nothing'}"
        if not alarm.get("AlarmActions"):
            yield f"{name}: tells nobody"


def outputs_give_nothing_away(rendered: Template) -> Problems:
    for name, output in rendered.get("Outputs", {}).items():
        if "resolve:" in json.dumps(output):
            yield f"{name}: a secret that everybody in the account can read"


def region_is_asserted(rendered: Template) -> Problems:
    asserted = json.dumps(rendered.get("Rules", {}))
    if '{"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]}' not in asserted:
        yield "Rules: nothing keeps the stack in us-east-1"


RULES: tuple[Callable[[Template], Problems], ...] = (
    only_known_types,
    tables_remember_nothing,
    functions_say_nothing,
    answers_come_in_time,
    logs_end,
    api_keeps_no_log,
    edge_keeps_no_log,
    edge_sends_our_headers,
    firewall_keeps_no_samples,
    bucket_keeps_no_log,
    roles_are_the_least,
    metrics_name_nobody,
    outputs_give_nothing_away,
    region_is_asserted,
)
