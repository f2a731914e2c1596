"""The stack, before it is one: what it must not record, who may do what, and that AWS's own
checkers accept it. Each rule has been seen to fail: EDITS are changes that each turn a test red."""

import json
import os
import re
import subprocess
from copy import deepcopy
from fnmatch import fnmatchcase
from functools import cache

import pytest
import yaml
from infra import rules, template

from quietdesk import local, sweep
from quietdesk.hpke import Kid
from quietdesk.intake.answers import CACHE_SECONDS
from quietdesk.intake.posted import FORM_BYTES
from quietdesk.store import dynamodb
from quietdesk.store.dynamodb import items
from quietdesk.store.dynamodb.items import item_of
from quietdesk.web import HEADERS
from quietdesk.weeks import Epoch
from tests.waiting import CEILING
from tests.world import ROOT

SAM = ROOT / ".venv" / "sam" / "bin" / "sam"


@pytest.fixture(scope="module")
def rendered():
    return template.render(template.read())


def test_template_breaks_no_rule(rendered):
    assert rules.problems(rendered) == []


# --- One change each ------------------------------------------------------------------------------


def put(*path, value):
    """A change that puts a value at a path of the template."""

    def change(written):
        at = written
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = value

    return change


def of(name, *path, value):
    return put("Resources", name, "Properties", *path, value=value)


def add(name, kind, **properties):
    return put("Resources", name, value={"Type": kind, "Properties": properties})


def statement(role, sid, **changed):
    def change(written):
        properties = written["Resources"][role]["Properties"]
        document = (properties.get("Policies") or [properties])[0]["PolicyDocument"]
        for one in document["Statement"]:
            if one["Sid"] == sid:
                one.update(changed)
                return
        raise AssertionError(f"{role} has no {sid}")

    return change


def without(role, sid, key="Condition"):
    def change(written):
        statement(role, sid)(written)
        for one in written["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"][
            "Statement"
        ]:
            if one["Sid"] == sid:
                del one[key]

    return change


CONFIG = ("Distribution", "DistributionConfig")
SITE = (*CONFIG, "DefaultCacheBehavior")
API = (*CONFIG, "CacheBehaviors", 0)
TABLE, STAGE = "RequestsTable", "Api"
FUNCTION = ("Globals", "Function")
POINT_IN_TIME = "PointInTimeRecoverySpecification"
SAMPLES = "SampledRequestsEnabled"
SEEN = {SAMPLES: True, "CloudWatchMetricsEnabled": True, "MetricName": "seen"}
SECRET = "{{resolve:secretsmanager:${OriginSecret}:SecretString:::${OriginVersion}}}"

EDITS = {
    # DynamoDB
    "backups of every second": of(
        TABLE, POINT_IN_TIME, value={"PointInTimeRecoveryEnabled": True}
    ),
    "recovery by default": of(TABLE, POINT_IN_TIME, value={}),
    "a stream of what is deleted": of(
        TABLE, "StreamSpecification", value={"StreamViewType": "OLD_IMAGE"}
    ),
    "a stream to Kinesis": of(TABLE, "KinesisStreamSpecification", value={"StreamArn": "arn:x"}),
    "a list of keys asked for often": of(
        TABLE, "ContributorInsightsSpecification", value={"Enabled": True}
    ),
    "an index to search by": of(TABLE, "GlobalSecondaryIndexes", value=[]),
    "a tag that a backup plan selects": of(TABLE, "Tags", value=[{"Key": "backup", "Value": "y"}]),
    "rows that go without sweep": of(
        TABLE, "TimeToLiveSpecification", value={"AttributeName": "expires", "Enabled": True}
    ),
    "a key by time": of(TABLE, "KeySchema", 1, "AttributeName", value="when"),
    "a table deleted by mistake": of("KeysTable", "DeletionProtectionEnabled", value=False),
    "a table gone with its stack": put("Resources", TABLE, "DeletionPolicy", value="Delete"),
    "a fourth table": lambda written: written["Resources"].update(
        VisitorsTable=deepcopy(written["Resources"]["PublicTable"])
    ),
    # Lambda
    "a trace of each call": put(*FUNCTION, "Tracing", value="Active"),
    "Lambda's line for each call": of(
        "SubmitFunction", "LoggingConfig", "SystemLogLevel", value="INFO"
    ),
    "our line for each call": of(
        "CheckFunction", "LoggingConfig", "ApplicationLogLevel", value="INFO"
    ),
    "a count that never comes": of(
        "SweepFunction", "LoggingConfig", "ApplicationLogLevel", value="WARN"
    ),
    "lines that no level filters": of("SubmitFunction", "LoggingConfig", "LogFormat", value="Text"),
    "a log group that AWS makes, for ever": of(
        "SubmitFunction", "LoggingConfig", "LogGroup", value={"Ref": "Elsewhere"}
    ),
    "whole events in the log": put(
        *FUNCTION, "Environment", "Variables", "POWERTOOLS_LOGGER_LOG_EVENT", value="true"
    ),
    "a debugging switch": put(
        *FUNCTION, "Environment", "Variables", "POWERTOOLS_DEV", value="true"
    ),
    "a queue of failed events": put(
        *FUNCTION, "DeadLetterQueue", value={"Type": "SQS", "TargetArn": "arn:aws:sqs:x:1:q"}
    ),
    "failed timers kept": of(
        "SweepFunction", "EventInvokeConfig", "DestinationConfig",
        value={"OnFailure": {"Type": "SQS", "Destination": "arn:aws:sqs:us-east-1:1:q"}},
    ),
    "somebody else's layer": put(*FUNCTION, "Layers", value=["arn:aws:lambda:x:1:layer:l:1"]),
    "a function with an address of its own": of(
        "SubmitFunction", "FunctionUrlConfig", value={"AuthType": "NONE"}
    ),
    "a timeout before the store's": put(*FUNCTION, "Timeout", value=10),
    "a timeout after API Gateway's": put(*FUNCTION, "Timeout", value=60),
    # Logs
    "a log for a month": of("SubmitLog", "RetentionInDays", value=30),
    "a log that is sent on": add(
        "Sent", "AWS::Logs::SubscriptionFilter",
        LogGroupName="x", FilterPattern="", DestinationArn="arn:x",
    ),
    # API Gateway
    "an access log of the API": of(
        STAGE, "AccessLogSettings",
        value={"DestinationArn": "arn:x", "Format": "$context.identity.sourceIp"},
    ),
    "a trace of requests and answers": of(
        STAGE, "DefaultRouteSettings", "DataTraceEnabled", value=True
    ),
    "metrics by address": of(STAGE, "DefaultRouteSettings", "DetailedMetricsEnabled", value=True),
    "no bound on calls": of(STAGE, "DefaultRouteSettings", value={"DetailedMetricsEnabled": False}),
    # CloudFront
    "an access log of the site": of(*CONFIG, "Logging", value={"Bucket": "logs.s3.amazonaws.com"}),
    "a real-time log": of(*API, "RealtimeLogConfigArn", value="arn:x"),
    "what browsers say passed on": of(*API, "OriginRequestPolicyId", value="allviewer"),
    "functions that are not told whose form it is": lambda written: written["Resources"][
        "Distribution"]["Properties"]["DistributionConfig"]["CacheBehaviors"][0].pop(
        "OriginRequestPolicyId"),
    "more passed on than whose form it is": of(
        "WhoseForm", "OriginRequestPolicyConfig", "HeadersConfig",
        value={"HeaderBehavior": "whitelist", "Headers": ["Origin", "Sec-Fetch-Site", "Referer"]},
    ),
    "code at the edge": of(
        *SITE, "LambdaFunctionAssociations",
        value=[{"EventType": "viewer-request", "LambdaFunctionARN": "arn:x"}],
    ),
    "an edge function that logs": of(
        "Addresses", "FunctionCode", value="function handler(e) { console.log(e) }"
    ),
    "cookies passed on": of(
        "SiteCache", "CachePolicyConfig", "ParametersInCacheKeyAndForwardedToOrigin",
        "CookiesConfig", value={"CookieBehavior": "all"},
    ),
    "pages without our headers": put(
        "Resources", "Distribution", "Properties", "DistributionConfig", "DefaultCacheBehavior",
        "ResponseHeadersPolicyId", value="67f7725c-6f97-4210-82d7-5512b31e9d03",
    ),
    "another header than ours": of(
        "Headers", "ResponseHeadersPolicyConfig", "SecurityHeadersConfig", "ReferrerPolicy",
        value={"Override": True, "ReferrerPolicy": "origin"},
    ),
    "no firewall": lambda written: written["Resources"]["Distribution"]["Properties"][
        "DistributionConfig"
    ].pop("WebACLId"),
    "the origin's word in clear": of(
        *CONFIG, "Origins", 1, "OriginCustomHeaders", 0, "HeaderValue", value="word"
    ),
    "functions that answer everybody": of(
        "SubmitFunction", "Environment", "Variables", value={"QUIETDESK_FUNCTION": "submit"}
    ),
    "the word told to everybody": put(
        "Outputs", "Word", value={"Value": {"Fn::Sub": SECRET}}
    ),
    # WAF
    "samples of requests": of("WebAcl", "VisibilityConfig", value=SEEN),
    "samples of a rule": of("WebAcl", "Rules", 1, "VisibilityConfig", value=SEEN),
    "a puzzle with a cookie": of("WebAcl", "Rules", 1, "Action", value={"Captcha": {}}),
    "rules of others": of(
        "WebAcl", "Rules", 0, "Statement",
        value={"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": "x"}},
    ),
    "a log of the firewall": add(
        "FirewallLog", "AWS::WAFv2::LoggingConfiguration",
        ResourceArn="arn:x", LogDestinationConfigs=["arn:y"],
    ),
    # S3, Route 53, CloudTrail, metrics
    "a log of the bucket": of(
        "SiteBucket", "LoggingConfiguration", value={"DestinationBucketName": "logs"}
    ),
    "an open bucket": of(
        "SiteBucket", "PublicAccessBlockConfiguration", "BlockPublicPolicy", value=False
    ),
    "a bucket for others": of(
        "SiteBucketPolicy", "PolicyDocument", "Statement", 0, "Principal", value="*"
    ),
    "a trail of who read which key": add(
        "Trail", "AWS::CloudTrail::Trail", IsLogging=True, S3BucketName="trail"
    ),
    "a log of names that were looked up": add(
        "Zone", "AWS::Route53::HostedZone", Name="x", QueryLoggingConfig={}
    ),
    "a script that watches visitors": add("Rum", "AWS::RUM::AppMonitor", Name="x"),
    "a metric by person": of(
        "FailingAlarm", "Dimensions", value=[{"Name": "SourceIp", "Value": "x"}]
    ),
    # IAM
    "submit reads": statement("SubmitRole", "PutRequests", Action="dynamodb:GetItem"),
    "submit may anything": statement("SubmitRole", "PutRequests", Action="dynamodb:*"),
    "submit, on every table": statement("SubmitRole", "PutRequests", Resource="*"),
    "submit stores what can be read": without("SubmitRole", "PutRequests"),
    "submit writes any document": without("SubmitRole", "Seats"),
    "check reaches keys": statement(
        "CheckRole", "ReadPublic", Resource={"Fn::GetAtt": "KeysTable.Arn"}
    ),
    "sweep reads what it destroys": without("SweepRole", "ListKeys"),
    "sweep lists everything": statement("SweepRole", "ListRequests", Action="dynamodb:Scan"),
    "a condition that nobody looked at": statement(
        "SweepRole", "DeleteKeys", Condition={"StringLike": {"aws:PrincipalTag/x": "*"}}
    ),
    "rights that stand elsewhere": of(
        "SubmitRole", "ManagedPolicyArns", value=["arn:aws:iam::aws:policy/AdministratorAccess"]
    ),
    "custodians read requests": statement(
        "CustodianPolicy", "WriteHalves",
        Action="dynamodb:Query", Resource={"Fn::GetAtt": "RequestsTable.Arn"},
    ),
    "custodians read halves": statement("CustodianPolicy", "SeeWraps", Condition={}),
    "desks put halves": statement("CounterPolicy", "PutWraps", Condition={}),
    "desks put anything into the wraps' partition": statement(
        "CounterPolicy", "PutWraps",
        Condition={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["*#wraps"]}},
    ),
    "desks put wraps beside halves": statement(
        "CounterPolicy", "PutWraps",
        Condition={
            "ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["*"]},
            "ForAllValues:StringEquals": {"dynamodb:Attributes": ["week", "name", "wrap"]},
        },
    ),
    "desks write wraps in batches": statement(
        "CounterPolicy", "PutWraps", Action="dynamodb:BatchWriteItem", Condition={}
    ),
    # CloudFormation
    "any region": lambda written: written["Rules"].pop("Region"),
}  # fmt: skip


@cache
def broken(name):
    """The rules that the template breaks after one change."""
    written = template.read()
    EDITS[name](written)
    changed = template.render(written)
    return {rule for rule in rules.RULES if list(rule(changed))}


@pytest.mark.parametrize("name", EDITS)
def test_each_single_change_breaks_a_rule(name):
    assert broken(name)


def test_every_rule_has_been_seen_to_fail():
    seen = set().union(*map(broken, EDITS))

    assert {rule.__name__ for rule in rules.RULES} == {rule.__name__ for rule in seen}


# --- What AWS's own checkers say ------------------------------------------------------------------


@pytest.mark.process
def test_cfn_lint_finds_nothing():
    done = subprocess.run(
        [ROOT / ".venv/bin/cfn-lint", template.PATH],
        capture_output=True,
        text=True,
        timeout=CEILING,
    )

    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.process
def test_sam_validate_finds_nothing(tmp_path):
    env = {
        **os.environ,
        "AWS_DEFAULT_REGION": template.REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "SAM_CLI_TELEMETRY": "0",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(
        [SAM, "validate", "--lint", "--template", template.PATH],
        capture_output=True,
        text=True,
        timeout=CEILING,
        env=env,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid SAM Template" in done.stdout


# --- What runs, and what is bounded ---------------------------------------------------------------


def only(rendered, kind):
    (found,) = [properties for _, properties in template.of_type(rendered, kind)]
    return found


def test_keys_wait_for_the_timer_no_longer_than_an_hour(rendered):
    assert only(rendered, "AWS::Events::Rule")["ScheduleExpression"] == "rate(1 hour)"
    assert local.TIMER_SECONDS == 3600


def test_firewall_bounds_how_much_one_address_sends_and_how_often(rendered):
    rules_by_name = {it["Name"]: it for it in only(rendered, "AWS::WAFv2::WebACL")["Rules"]}
    rate = rules_by_name["rate"]["Statement"]["RateBasedStatement"]
    api, size = rules_by_name["body-size"]["Statement"]["AndStatement"]["Statements"]

    assert (rate["Limit"], rate["EvaluationWindowSec"], rate["AggregateKeyType"]) == (
        300, 300, "IP",
    )  # fmt: skip
    assert rate["ScopeDownStatement"] == api
    assert size["SizeConstraintStatement"]["Size"] == FORM_BYTES
    assert all("Block" in it["Action"] for it in rules_by_name.values())


def test_nothing_is_said_to_the_edge_in_an_old_cipher(rendered):
    config = only(rendered, "AWS::CloudFront::Distribution")["DistributionConfig"]
    named = config["ViewerCertificate"]["Fn::If"][1]

    assert named["MinimumProtocolVersion"] == "TLSv1.2_2021"


def test_somebody_is_told_when_keys_may_outlive_their_day_or_end_too_early(rendered):
    alarms = dict(template.of_type(rendered, "AWS::CloudWatch::Alarm"))

    assert {"SweepNotRunAlarm", "SweepFailedAlarm", "KeysEndingAlarm"} <= set(alarms)


def rings(alarm, hours):
    """Whether an alarm of hourly periods rings after these hours, of each its figure, or None for
    one in which nothing was counted: as CloudWatch's guide says, where every period counts."""
    assert alarm["Period"] == 3600 and "DatapointsToAlarm" not in alarm
    breaches = {
        "LessThanThreshold": lambda it: it < alarm["Threshold"],
        "GreaterThanOrEqualToThreshold": lambda it: it >= alarm["Threshold"],
    }[alarm["ComparisonOperator"]]
    missing = {"breaching": True, "notBreaching": False}[alarm["TreatMissingData"]]
    last = hours[-alarm["EvaluationPeriods"] :]
    return all(missing if it is None else breaches(it) for it in last)


def test_sweep_that_is_silent_for_three_hours_rings_and_one_that_runs_does_not(rendered):
    alarms = dict(template.of_type(rendered, "AWS::CloudWatch::Alarm"))
    runs, failed = alarms["SweepNotRunAlarm"], alarms["SweepFailedAlarm"]

    assert runs["MetricName"] == "Invocations" and failed["MetricName"] == "Errors"
    assert (
        runs["Dimensions"]
        == failed["Dimensions"]
        == [{"Name": "FunctionName", "Value": {"Ref": "SweepFunction"}}]
    )
    assert rings(runs, [1, None, None, None])
    assert not rings(runs, [1, None, None])
    assert not rings(runs, [1, 1, 1])
    # What runs and ends nothing, as one that Lambda stops each time.
    assert rings(failed, [1, 1, 1])
    assert not rings(failed, [1, 0, 1])


def test_keys_that_nobody_counts_any_more_ring_too(rendered):
    """Which is counted only where all that is due was destroyed."""
    alarm = dict(template.of_type(rendered, "AWS::CloudWatch::Alarm"))["KeysEndingAlarm"]

    assert rings(alarm, [30, None, None, None])
    assert not rings(alarm, [30, 30, 30])


def test_sweep_ends_what_it_does_before_lambda_ends_it(rendered):
    """A page of rows that meets a slow store is tried again for a while."""
    (timeout,) = {
        it["Timeout"]
        for name, it in template.of_type(rendered, "AWS::Lambda::Function")
        if name == "SweepFunction"
    }

    assert sweep.SECONDS + 240 <= timeout == 900


@pytest.mark.parametrize(
    ("table", "a_second", "units"),
    [("RequestsTable", dynamodb.ROWS_A_SECOND, 5), ("KeysTable", dynamodb.KEYS_A_SECOND, 2)],
)
def test_destruction_takes_a_quarter_of_what_a_table_may_write(rendered, table, a_second, units):
    most = rendered["Resources"][table]["Properties"]["OnDemandThroughput"]["MaxWriteRequestUnits"]

    assert a_second * units == most / 4


# --- Rights ---------------------------------------------------------------------------------------


def test_rights_are_those_of_the_operations_manual(rendered):
    manual = (ROOT / "docs" / "operations.md").read_text("utf-8")
    table = manual.partition("| role | table | may |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    written = {
        template.Right(role, on.strip("`"), action, keys.replace("`", ""), fields.replace("`", ""))
        for role, on, actions, keys, fields in rows
        for action in re.findall(r"`(\w+)`", actions)
    }

    assert written == set(template.rights(rendered))


def test_what_submit_may_store_is_what_an_envelope_has(rendered, world):
    item = item_of(world.sealed())
    rights = template.rights(rendered)

    for role in ("submit", "check"):
        (right,) = [
            it for it in rights if (it.role, it.table, it.action) == (role, "requests", "PutItem")
        ]
        assert set(right.attributes.split()) == set(item)


def test_staff_computers_put_wraps_and_never_a_half(rendered):
    """IAM compares the name of the partition, where * is any letters."""
    kid = Kid("main", "visit", Epoch(2026, 47), "00000001")
    wrap, half = items.wrap_key(kid, "0" * 16), items.half_key(kid)
    put = [
        it
        for it in template.rights(rendered)
        if it.table == "keys" and it.action == "PutItem" and it.role != "custodian"
    ]

    assert {it.role for it in put} == {"counter"}
    for right in put:
        assert fnmatchcase(wrap["week"]["S"], right.keys)
        assert not fnmatchcase(half["week"]["S"], right.keys)
        assert set(right.attributes.split()) == {*wrap, "wrap"}


# --- The site's addresses at the edge -------------------------------------------------------------

ADDRESSES = {
    "/": "/index.html",
    "/es/": "/es/index.html",
    "/es/request/": "/es/request/index.html",
    "/es/request": ("/es/request/",),
    "/assets/form.js": "/assets/form.js",
    "/bn/request/at/corona/": "/bn/request/at/corona/index.html",
    "/bn/request/at/corona": ("/bn/request/at/corona/",),
    "/bn/request/at/nowhere/": ("/bn/request/",),
    "/bn/request/at/": ("/bn/request/",),
    "/bn/request/at": ("/bn/request/",),
    "/bn/request/at/corona/more/": ("/bn/request/",),
    "//evil.example/x": ("/evil.example/x/",),
    "/\\evil": ("/evil/",),
}


@pytest.mark.process
def test_addresses_at_the_edge_lead_to_files_and_never_elsewhere(rendered, tmp_path):
    code = rendered["Resources"]["Addresses"]["Properties"]["FunctionCode"]["Fn::Sub"]
    assert len(code) < 10_000  # bytes: the quota of CloudFront Functions
    program = tmp_path / "addresses.js"
    program.write_text(
        code.replace("${Centers}", "jackson-heights,corona")
        + f"""
        var answers = {json.dumps(list(ADDRESSES))}.map(function (uri) {{
          return handler({{request: {{uri: uri, headers: {{}}}}}});
        }});
        console.log(JSON.stringify(answers));
        """
    )
    done = subprocess.run(
        ["node", program], capture_output=True, text=True, timeout=CEILING, check=True
    )
    said = [
        (it["headers"]["location"]["value"],) if "statusCode" in it else it["uri"]
        for it in json.loads(done.stdout)
    ]

    assert dict(zip(ADDRESSES, said, strict=True)) == ADDRESSES


# --- Beside the stack -----------------------------------------------------------------------------


def test_routes_of_the_template_are_those_of_the_interface(rendered):
    interface = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text("utf-8"))
    there = {path for path, verbs in interface["paths"].items() for _ in verbs}
    paths = rendered["Resources"]["Api"]["Properties"]["Body"]["paths"]

    assert {path.rstrip("/") for path in paths} == there


def test_nobody_in_the_account_may_make_backups_of_the_tables():
    policy = json.loads((ROOT / "infra" / "scp.json").read_text("utf-8"))
    (denied,) = [it for it in policy["Statement"] if "DynamoDB" in it["Sid"]]

    assert denied["Effect"] == "Deny"
    assert set(denied["Action"]) >= {
        "dynamodb:CreateBackup",
        "dynamodb:ExportTableToPointInTime",
        "dynamodb:RestoreTableFromBackup",
        "dynamodb:RestoreTableToPointInTime",
        "dynamodb:UpdateContinuousBackups",
        "dynamodb:UpdateContributorInsights",
        "dynamodb:EnableKinesisStreamingDestination",
        "dynamodb:CreateGlobalTable",
        "backup:StartBackupJob",
    }
    assert denied["Resource"] == ["arn:aws:dynamodb:*:*:table/quietdesk-*"]


def test_headers_policy_adds_what_only_https_has(rendered):
    policy = rendered["Resources"]["Headers"]["Properties"]["ResponseHeadersPolicyConfig"]
    transport = policy["SecurityHeadersConfig"]["StrictTransportSecurity"]

    assert transport["AccessControlMaxAgeSec"] == 2 * 365 * 86400
    assert rules.headers_of(policy) == HEADERS


def test_edge_keeps_of_the_functions_answers_only_what_they_call_public(rendered):
    """Also where an answer says nothing: a page with a code is of nobody else's concern."""
    made = rendered["Resources"]["TimesCache"]["Properties"]["CachePolicyConfig"]

    assert (made["MinTTL"], made["DefaultTTL"], made["MaxTTL"]) == (0, 0, CACHE_SECONDS)


def test_files_of_the_site_are_read_over_encrypted_connections_only(rendered):
    said = only(rendered, "AWS::S3::BucketPolicy")["PolicyDocument"]["Statement"]
    (denied,) = (it for it in said if it["Effect"] == "Deny")

    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert (denied["Principal"], denied["Action"]) == ("*", "s3:*")
