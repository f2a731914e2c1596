"""Deploying to AWS: `make deploy`, `make publish-site`, `make rollback`, `make rotate-origin`.

SAM CLI makes the changes; this decides whether they may be made, with what, and remembers each as a
release, so that the one before can be brought back. docs/operations.md walks through it.
"""

import argparse
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra import bundle, costs, plans, rules, template
from infra.plans import CLOUDFRONT, ROOT, UNREVIEWED, stack_of
from infra.releases import CannotDeploy, Releases, release_of
from quietdesk.city import City
from quietdesk.errors import QuietdeskError
from quietdesk.pages import Pages
from quietdesk.signed import Trust
from quietdesk.website.profile import compile_profile
from quietdesk.wire import unb64

SAM = ROOT / ".venv" / "sam" / "bin" / "sam"
STAGES = ("demo", "production")

Say = Callable[[str], None]


class Deployment:
    """One city at one stage in one account. Raises CannotDeploy when it is the wrong account."""

    def __init__(self, folder: Path, stage: str, say: Say, yes: bool):
        self.folder, self.stage, self._say, self._yes = folder, stage, say, yes
        self.plan = plans.read_plan(folder, stage)
        self.city = City.from_data(compile_profile(folder, ROOT / "site" / "words"))
        session = boto3.Session(region_name=template.REGION)
        self._s3, self._stacks = session.client("s3"), session.client("cloudformation")
        self._secrets = session.client("secretsmanager")
        account = session.client("sts").get_caller_identity()["Account"]
        if account != self.plan.account:
            raise CannotDeploy("these credentials are of another account than deploy.yml names")
        self._releases = Releases(self._s3, f"{stack_of(self.city)}-releases-{account}")

    def check(self, told: str) -> None:
        """Raises CannotDeploy with every reason why this may not go out."""
        unreviewed = plans.unreviewed_privacy(self.folder)
        found = plans.refusals(self.plan, self.stage, self.city, unreviewed, told)
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
        missing = (
            plans.bundle_problem(self.city, trust, now) if stack else "there are no tables yet"
        )
        closed = "" if self._is_open(stack) else missing
        if missing and not closed:
            self._say(f"The form is closed: {missing}. Custodians run: quietdesk keys mint.")
        self._say(f"Stack {stack_of(self.city)} in account {self.plan.account}, {template.REGION}:")
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
        self._releases.make_bucket()
        with TemporaryDirectory() as temporary:
            packaged = Path(temporary) / "template.yaml"
            self._sam("package", "--output-template-file", str(packaged))
            text = packaged.read_text("utf-8")
        self._release(text, {**self._standing(), **self._parameters(not closed)})
        if closed:
            self._say(f"Not open yet: {closed}. Custodians run: quietdesk --store")
            self._say(f"  dynamodb:{stack_of(self.city)} keys mint. Then run make deploy again.")
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
        self._releases.put_site(outputs["SiteBucketName"], folder, files)
        text, parameters = self._releases.last()
        centers = ",".join(center.id for center in self.city.listed)
        standing = {"SiteRelease": folder, "Centers": centers, "Address": f"https://{name}"}
        self._release(text, {**parameters, **standing})
        self._releases.forget_old_sites(outputs["SiteBucketName"])
        return folder

    def rollback(self) -> None:
        """Bring back the release before the last one, code and site. Raises CannotDeploy when
        there is none."""
        last = self._releases.last()
        for number in reversed(self._releases.numbers()[:-1]):
            before = self._releases.read(number)
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
        text, parameters = self._releases.last()
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
            # The name that CloudFront gives is known to publish-site.
            **({"Address": f"https://{self.plan.domain}"} if named else {}),
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
        name = f"{stack_of(self.city)}/origin"
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

    def _build_site(self, folder: Path, address: str) -> None:
        # Said as when the city was compiled for the functions: one profile, one set of keys.
        env = {
            **os.environ,
            "SITE_URL": address,
            "QUIETDESK_CITY": str(self.folder),
            # The commands of this computer keep the city that they know.
            "QUIETDESK_PROFILE": str(folder.with_name("city.json")),
            "QUIETDESK_CUSTODIANS": " ".join(self.plan.custodians),
            "QUIETDESK_THRESHOLD": str(self.plan.threshold),
            "NO_MKDOCS_2_WARNING": "1",
        }
        command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
        built = subprocess.run(command, cwd=ROOT, env=env)  # noqa: S603 - our own interpreter
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
        kept = ("SiteRelease", "Centers", "Address")
        numbers = self._releases.numbers()
        last = self._releases.read(numbers[-1])[1] if numbers else {}
        return {name: last[name] for name in kept if name in last}

    def _stack(self) -> dict[str, Any]:
        try:
            stacks = self._stacks.describe_stacks(StackName=stack_of(self.city))["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":  # there is no such stack
                raise
            return {}
        return stacks[0] if stacks else {}

    def _sam(self, verb: str, *arguments: str) -> None:
        command = [str(SAM), verb, "--s3-bucket", self._releases.bucket, *arguments]
        if "--template-file" not in arguments:
            command += ["--template-file", str(template.PATH)]
        env = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": template.REGION}
        if subprocess.run(command, env=env).returncode:  # noqa: S603 - installed by make
            raise CannotDeploy(f"sam {verb} did not work; what it says stands above")

    def _release(self, text: str, parameters: Mapping[str, str]) -> None:
        with TemporaryDirectory() as temporary:
            packaged = Path(temporary) / "template.yaml"
            packaged.write_text(text, "utf-8")
            self._sam(
                "deploy",
                "--template-file", str(packaged),
                "--stack-name", stack_of(self.city),
                "--capabilities", "CAPABILITY_NAMED_IAM",
                "--no-fail-on-empty-changeset",
                "--no-confirm-changeset" if self._yes else "--confirm-changeset",
                "--parameter-overrides", *(override(*it) for it in parameters.items()),
            )  # fmt: skip
        number = self._releases.add(text, parameters)
        self._say(f"Release {number} is there.")


def override(name: str, value: str) -> str:
    """A parameter as SAM CLI reads it on its command line."""
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name}="{quoted}"'


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
