"""Whether a city may be deployed: what its deploy.yml decides, what nobody has decided yet, and
whether this week has a key.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml

from quietdesk import bundles, textfile, weeks
from quietdesk.city import City
from quietdesk.errors import BadBundle, BadCity, BadSignature
from quietdesk.signed import DEMO, Trust
from quietdesk.store import open_store
from quietdesk.website.sources import State
from quietdesk.website.translations import Translations
from quietdesk.wire import unb64

ROOT = Path(__file__).resolve().parent.parent
CLOUDFRONT = "cloudfront"  # the decision to have no name of one's own
UNREVIEWED = "publish privacy pages that nobody has reviewed"


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
        written = yaml.safe_load(textfile.read(path))[stage]
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
    week = weeks.epoch_at(now, city.zone)
    with closing(open_store(f"dynamodb:{stack_of(city)}")) as store:
        held = store.read(bundles.name(city.queue, week))
    if held is None:
        return f"no key for {week} is published"
    try:
        bundles.verify(held[0], trust, city.queue, now, week)
    except (BadBundle, BadSignature) as error:
        return f"the key for {week}: {error}"
    return ""


def stack_of(city: City) -> str:
    """The name of a city's stack, with which the names of all that is in it begin."""
    return f"quietdesk-{city.deployment}"
