"""Deploying to AWS: `make deploy`, `make publish-site`, `make rollback`, `make rotate-origin`.

SAM CLI makes the changes; this decides whether they may be made, with what, and remembers each as a
release, so that the one before can be brought back. docs/operations.md walks through it.
"""

import argparse
import hashlib
import json
import mimetypes
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import yaml
from botocore.exceptions import BotoCoreError, ClientError

from infra import bundle, costs, rules, template
from quietdesk import city as cities
from quietdesk import keys
from quietdesk.city import City
from quietdesk.errors import BadBundle, BadCity, BadSignature, QuietdeskError
from quietdesk.keys import DEMO, Trust
from quietdesk.pages import Pages
from quietdesk.store import open_store
from quietdesk.website.sources import State
from quietdesk.website.translations import Translations
from quietdesk.wire import unb64

ROOT = Path(__file__).resolve().parent.parent
SAM = ROOT / ".venv" / "sam" / "bin" / "sam"
STAGES = ("demo", "production")
CLOUDFRONT = "cloudfront"  # the decision to have no name of one's own
UNREVIEWED = "publish privacy pages that nobody has reviewed"
KEPT_RELEASES = 5
CACHE = "public, max-age=60"

Say = Callable[[str], None]


class CannotDeploy(QuietdeskError):
    """It may not, or could not, be deployed. The message says what to do about it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A stage of a city's deploy.yml. `custodians` are public keys in base64."""

    account: str
    domain: str
    certificate: str
    custodians: tuple[str, ...]
    threshold: int
    alarms: str


def read_plan(city: Path, stage: str) -> Plan:
    """The stage of that name. Raises BadCity."""
    path = city / "deploy.yml"
    try:
        written = yaml.safe_load(path.read_text("utf-8"))[stage]
        plan = Plan(
            account=str(written["account"]),
            domain=str(written["domain"] or ""),
            certificate=str(written.get("certificate") or ""),
            custodians=tuple(str(key) for key in written["custodians"]),
            threshold=int(written["threshold"]),
            alarms=str(written["alarms"]),
        )
        [unb64(key) for key in plan.custodians]
    except FileNotFoundError:
        raise BadCity(f"{path}: there is no such file; docs/operations.md says how") from None
    except (KeyError, TypeError, ValueError, yaml.YAMLError):
        raise BadCity(
            f"{path}: {stage} needs account, domain, custodians, threshold, alarms"
        ) from None
    return plan


def refusals(plan: Plan, stage: str, city: City, unreviewed: Sequence[str], told: str) -> list[str]:
    """Why this may not be deployed; nothing when it may. `unreviewed` are the languages whose
    privacy page nobody has reviewed, `told` what was said to that."""
    found = []
    if not plan.domain:
        found.append(f"domain: decide on a name, or write {CLOUDFRONT}")
    elif plan.domain != CLOUDFRONT and not plan.certificate:
        found.append("certificate: a domain needs one of ACM, in us-east-1")
    if len(set(plan.custodians)) < max(1, plan.threshold):
        found.append("custodians: fewer than must sign")
    if stage == "production":
        if not city.retention_authority.strip():
            found.append("retention_authority is empty in programme.yml: who has adopted the days?")
        if not city.run_by.strip():
            found.append("run_by is empty in programme.yml: who receives the requests?")
        if city.deployment == DEMO:
            found.append("deployment is demo in programme.yml: production needs a word of its own")
        if plan.threshold < 2:
            found.append("threshold: two custodians must sign at least")
        if unreviewed and told != UNREVIEWED:
            found.append(
                f"nobody qualified has reviewed the privacy page in {', '.join(unreviewed)}; to go "
                f'on all the same: UNREVIEWED="{UNREVIEWED}"'
            )
    return found


def unreviewed_privacy(city: Path) -> list[str]:
    """The languages whose privacy page is shown, and nobody qualified has reviewed."""
    site = Translations(ROOT / "site", city)
    shown = [language.tag for language in site.languages if not language.draft]
    return [tag for tag in shown if site.sources.state(tag, "privacy") is not State.REVIEWED]


def bundle_problem(city: City, trust: Trust, now: datetime) -> str:
    """What keeps the form closed: no key of this week that enough custodians signed. "" if none.
    Raises StoreUnavailable: whether there is one is then not known."""
    week = keys.epoch_at(now, city.zone)
    with closing(open_store(f"dynamodb:{_name(city)}")) as store:
        held = store.read(keys.bundle_name(city.queue, week))
    if held is None:
        return f"no key for {week} is published"
    try:
        keys.verify_bundle(held[0], trust, city.queue, now, week)
    except (BadBundle, BadSignature) as error:
        return f"the key for {week}: {error}"
    return ""


# --- Commands -------------------------------------------------------------------------------------


class Deployment:
    """One city at one stage in one account. Raises CannotDeploy when it is the wrong account."""

    def __init__(self, folder: Path, stage: str, say: Say, yes: bool):
        self.folder, self.stage, self._say, self._yes = folder, stage, say, yes
        self.plan = read_plan(folder, stage)
        self.city = cities.from_data(cities.compile_profile(folder, ROOT / "site" / "words"))
        session = boto3.Session(region_name=template.REGION)
        self._s3, self._stacks = session.client("s3"), session.client("cloudformation")
        self._secrets = session.client("secretsmanager")
        account = session.client("sts").get_caller_identity()["Account"]
        if account != self.plan.account:
            raise CannotDeploy("these credentials are of another account than deploy.yml names")
        self._releases = f"{_name(self.city)}-releases-{account}"

    def check(self, told: str) -> None:
        """Raises CannotDeploy with every reason why this may not go out."""
        found = refusals(self.plan, self.stage, self.city, unreviewed_privacy(self.folder), told)
        found += rules.problems(template.render(template.read()))
        if found:
            raise CannotDeploy("this may not be deployed:\n  - " + "\n  - ".join(found))

    def deploy(self, now: datetime) -> bool:
        """Bring tables, functions and edge up to date. What is not open yet opens when this week
        has a signed key; until then only tables and staff policies are made, and the answer is
        False. What is open stays open: a form without a key closes by itself."""
        trust = Trust(
            tuple(unb64(key) for key in self.plan.custodians),
            self.plan.threshold,
            self.city.deployment,
        )
        stack = self._stack()
        missing = bundle_problem(self.city, trust, now) if stack else "there are no tables yet"
        closed = "" if self._is_open(stack) else missing
        if missing and not closed:
            self._say(f"The form is closed: {missing}. Custodians run: quietdesk keys mint.")
        self._say(f"Stack {_name(self.city)} in account {self.plan.account}, {template.REGION}:")
        self._say(
            f"  only tables and staff policies, for {closed}"
            if closed
            else "  tables, staff policies, functions, timer, site and edge"
        )
        for line in costs.lines(template.render(template.read())):
            self._say(f"  {line}")
        self._agree("Make or change this?")
        digest = bundle.build(bundle.OUT, self.folder)
        self._say(f"Code: {bundle.OUT.name}, SHA-256 {digest}")
        self._make_bucket()
        with TemporaryDirectory() as temporary:
            packaged = Path(temporary) / "template.yaml"
            self._sam("package", "--output-template-file", str(packaged))
            text = packaged.read_text("utf-8")
        self._release(text, {**self._standing(), **self._parameters(not closed)})
        if closed:
            self._say(f"Not open yet: {closed}. Custodians run: quietdesk --store")
            self._say(f"  dynamodb:{_name(self.city)} keys mint. Then run make deploy again.")
        return not closed

    def publish_site(self) -> str:
        """Build the site for its own address and serve it; gives the release's name."""
        outputs = self._outputs()
        name = self.plan.domain if self.plan.domain != CLOUDFRONT else outputs["SiteAddress"]
        with TemporaryDirectory() as temporary:
            built = Path(temporary) / "site"
            self._build_site(built, f"https://{name}/")
            files = {
                path.relative_to(built).as_posix(): path.read_bytes()
                for path in sorted(built.rglob("*"))
                if path.is_file()
            }
        folder = release_of(files)
        self._agree(f"Publish {len(files)} files as {folder} at https://{name}/?")
        for path, body in files.items():
            self._s3.put_object(
                Bucket=outputs["SiteBucketName"],
                Key=f"{folder}/{path}",
                Body=body,
                ContentType=content_type(path),
                CacheControl=CACHE,
            )
        text, parameters = self._last()
        centers = ",".join(center.id for center in self.city.listed)
        self._release(text, {**parameters, "SiteRelease": folder, "Centers": centers})
        self._forget_old(outputs["SiteBucketName"])
        return folder

    def rollback(self) -> None:
        """Bring back the release before the last one, code and site. Raises CannotDeploy when
        there is none."""
        last = self._last()
        for number in reversed(self._numbers()[:-1]):
            before = self._read(number)
            if before != last:
                self._agree(f"Bring back release {number}?")
                self._release(*before)
                return
        raise CannotDeploy("there is no release before this one")

    def rotate_origin(self) -> None:
        """A new word between CloudFront and the functions, which accept the one before as well."""
        self._outputs()
        arn, current, _ = self._secret()
        self._agree("Change the word between CloudFront and the functions?")
        fresh = self._secrets.put_secret_value(SecretId=arn, SecretString=_word())["VersionId"]
        text, parameters = self._last()
        versions = {"OriginVersion": fresh, "OriginVersionBefore": current}
        self._release(text, {**parameters, **versions})

    # --- What they have in common ---

    def _agree(self, question: str) -> None:
        if self._yes:
            return
        if input(f"{question} Type yes: ").strip() != "yes":
            raise CannotDeploy("nothing was done: you did not say yes")

    def _parameters(self, opened: bool) -> dict[str, str]:
        arn, version, before = self._secret()
        named = self.plan.domain != CLOUDFRONT
        return {
            "Deployment": self.city.deployment,
            "Open": "yes" if opened else "no",
            "DomainName": self.plan.domain if named else "",
            "CertificateArn": self.plan.certificate if named else "",
            "QuietdeskStage": self.stage,
            "Custodians": " ".join(self.plan.custodians),
            "Threshold": str(self.plan.threshold),
            "OriginSecret": arn,
            "OriginVersion": version,
            "OriginVersionBefore": before,
            "BusyPage": Pages(self.city, (), 1).busy(),
            "AlarmEmail": self.plan.alarms,
        }

    def _secret(self) -> tuple[str, str, str]:
        """ARN of the origin's secret, its version now and the one before, or ""."""
        name = f"{_name(self.city)}/origin"
        try:
            held = self._secrets.describe_secret(SecretId=name)
        except self._secrets.exceptions.ResourceNotFoundException:
            made = self._secrets.create_secret(Name=name, SecretString=_word())
            return made["ARN"], made["VersionId"], ""
        stages = {
            stage: version
            for version, named in held["VersionIdsToStages"].items()
            for stage in named
        }
        return held["ARN"], stages["AWSCURRENT"], stages.get("AWSPREVIOUS", "")

    def _make_bucket(self) -> None:
        """The bucket of releases: code and templates, nothing of residents."""
        if self._releases in {it["Name"] for it in self._s3.list_buckets()["Buckets"]}:
            return
        self._s3.create_bucket(Bucket=self._releases)
        closed = dict.fromkeys(
            ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"),
            True,
        )
        self._s3.put_public_access_block(
            Bucket=self._releases, PublicAccessBlockConfiguration=closed
        )

    def _build_site(self, folder: Path, address: str) -> None:
        # Said as when the city was compiled for the functions: one profile, one set of keys.
        env = {
            **os.environ,
            "SITE_URL": address,
            "QUIETDESK_CITY": str(self.folder),
            "QUIETDESK_CUSTODIANS": " ".join(self.plan.custodians),
            "QUIETDESK_THRESHOLD": str(self.plan.threshold),
            "NO_MKDOCS_2_WARNING": "1",
        }
        command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
        # The build compiles the city for the commands of this computer. They keep the one they had.
        compiled = Path(cities.__file__).with_name("data.json")
        before = compiled.read_bytes() if compiled.exists() else None
        try:
            built = subprocess.run(command, cwd=ROOT, env=env)  # noqa: S603 - our interpreter
        finally:
            if before is None:
                compiled.unlink(missing_ok=True)
            else:
                compiled.write_bytes(before)
        if built.returncode:
            raise CannotDeploy("the site does not build; what is wrong stands above")

    def _outputs(self) -> dict[str, str]:
        stack = self._stack()
        if not self._is_open(stack):
            raise CannotDeploy("the stack is not open yet; run make deploy first")
        return {it["OutputKey"]: it["OutputValue"] for it in stack["Outputs"]}

    def _is_open(self, stack: Mapping[str, Any]) -> bool:
        return any(it["OutputKey"] == "SiteBucketName" for it in stack.get("Outputs", []))

    def _standing(self) -> dict[str, str]:
        """What publish-site has set, and deploy leaves as it is."""
        kept = ("SiteRelease", "Centers")
        numbers = self._numbers()
        last = self._read(numbers[-1])[1] if numbers else {}
        return {name: last[name] for name in kept if name in last}

    def _stack(self) -> dict[str, Any]:
        try:
            stacks = self._stacks.describe_stacks(StackName=_name(self.city))["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":  # there is no such stack
                raise
            return {}
        return stacks[0] if stacks else {}

    def _sam(self, verb: str, *arguments: str) -> None:
        command = [str(SAM), verb, "--s3-bucket", self._releases, *arguments]
        if "--template-file" not in arguments:
            command += ["--template-file", str(template.PATH)]
        env = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": template.REGION}
        if subprocess.run(command, env=env).returncode:  # noqa: S603 - installed by make
            raise CannotDeploy(f"sam {verb} did not work; what it says stands above")

    # --- Releases: a packaged template and its parameters, numbered ---

    def _release(self, text: str, parameters: Mapping[str, str]) -> None:
        with TemporaryDirectory() as temporary:
            packaged = Path(temporary) / "template.yaml"
            packaged.write_text(text, "utf-8")
            self._sam(
                "deploy",
                "--template-file", str(packaged),
                "--stack-name", _name(self.city),
                "--capabilities", "CAPABILITY_NAMED_IAM",
                "--no-fail-on-empty-changeset",
                "--no-confirm-changeset" if self._yes else "--confirm-changeset",
                "--parameter-overrides", *(override(*it) for it in parameters.items()),
            )  # fmt: skip
        number = int((self._numbers() or ["0"])[-1]) + 1
        record = {"template": text, "parameters": dict(parameters)}
        self._s3.put_object(
            Bucket=self._releases,
            Key=f"releases/{number:05d}.json",
            Body=json.dumps(record).encode(),
        )
        self._say(f"Release {number:05d} is there.")

    def _numbers(self) -> list[str]:
        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._releases, Prefix="releases/"
            )
            keys_of = [it["Key"] for page in pages for it in page.get("Contents", [])]
        except self._s3.exceptions.NoSuchBucket:
            return []
        return sorted(Path(key).stem for key in keys_of)

    def _read(self, number: str) -> tuple[str, dict[str, str]]:
        held = self._s3.get_object(Bucket=self._releases, Key=f"releases/{number}.json")
        record = json.loads(held["Body"].read())
        return record["template"], record["parameters"]

    def _last(self) -> tuple[str, dict[str, str]]:
        numbers = self._numbers()
        if not numbers:
            raise CannotDeploy("there is no release yet; run make deploy first")
        return self._read(numbers[-1])

    def _forget_old(self, bucket: str) -> None:
        """Delete folders of the site that none of the last releases serves."""
        wanted = {self._read(it)[1].get("SiteRelease") for it in self._numbers()[-KEPT_RELEASES:]}
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        for page in pages:
            old = [
                it["Key"]
                for it in page.get("Contents", [])
                if it["Key"].split("/")[0] not in wanted
            ]
            if old:
                self._s3.delete_objects(
                    Bucket=bucket, Delete={"Objects": [{"Key": key} for key in old]}
                )


def override(name: str, value: str) -> str:
    """A parameter as SAM CLI reads it on its command line."""
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}="{quoted}"'


def release_of(files: Mapping[str, bytes]) -> str:
    """The name of a site's folder: the beginning of the SHA-256 of its paths and bytes."""
    digest = hashlib.sha256()
    for path, body in sorted(files.items()):
        digest.update(f"{path}\0{len(body)}\0".encode() + body)
    return digest.hexdigest()[:16]


def content_type(path: str) -> str:
    """What a file is, as CloudFront will say."""
    # Python's own table: a machine's may say otherwise.
    kind, packed = mimetypes.MimeTypes(filenames=()).guess_type(path)
    kind = "application/gzip" if packed == "gzip" else kind or "application/octet-stream"
    text = kind.startswith("text/") or kind in ("application/javascript", "image/svg+xml")
    return f"{kind}; charset=utf-8" if text else kind


def _name(city: City) -> str:
    return f"quietdesk-{city.deployment}"


def _word() -> str:
    return secrets.token_urlsafe(32)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused or failed."""
    parser = argparse.ArgumentParser(prog="deploy", description=__doc__)
    parser.add_argument("command", choices=["deploy", "publish-site", "rollback", "rotate-origin"])
    parser.add_argument("--city", type=Path, required=True, help="folder of the city profile")
    parser.add_argument("--stage", choices=STAGES, required=True)
    parser.add_argument("--unreviewed", default="", help=UNREVIEWED)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    args = parser.parse_args(argv)
    try:
        on = Deployment(args.city, args.stage, print, args.yes)
        if args.command in ("deploy", "publish-site"):
            on.check(args.unreviewed)
        if args.command == "deploy":
            return 0 if on.deploy(datetime.now(UTC)) else 1
        if args.command == "publish-site":
            on.publish_site()
        elif args.command == "rollback":
            on.rollback()
        else:
            on.rotate_origin()
    except QuietdeskError as error:
        print(f"deploy: {error}", file=sys.stderr)
        return 1
    except (BotoCoreError, ClientError) as error:
        # Of one's own account and by oneself: here AWS's words help, and name no resident.
        print(f"deploy: AWS says: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
