"""The functions as AWS Lambda loads them. Everything is made when the process starts, so that
nobody waits for it in a call; which one it is stands in QUIETDESK_FUNCTION.

A function says nothing of what it was asked: neither here nor where Lambda prints what was raised.
"""

import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from quietdesk import log, settings
from quietdesk.city import City
from quietdesk.clock import Dates, asked
from quietdesk.errors import BadSetting, NotSwept, QuietdeskError
from quietdesk.settings import Settings
from quietdesk.store import Store, open_store
from quietdesk.web import NO_STORE, Answer

ORIGIN_HEADER = "x-quietdesk-origin"  # CloudFront adds it to every request that it passes on
NAMESPACE = "Quietdesk"

Handler = Callable[[Mapping[str, Any], object], Any]
Clock = Callable[[], datetime]


def answering(name: str, chosen: Settings, city: City, clock: Clock) -> Handler:
    """`submit` or `check`, for who comes through CloudFront. Raises BadSetting."""
    from quietdesk import events, intake  # which sweep does not need
    from quietdesk.pages import Pages
    from quietdesk.programme import Programme

    if not chosen.origin:
        raise BadSetting("QUIETDESK_ORIGIN is empty: the functions would answer anybody")
    trust = chosen.trust(city.deployment)
    pages = Pages(city, trust.custodians, trust.threshold)
    programme = Programme(city, open_store(chosen.store), trust, pages, clock, chosen.address)
    table = {"submit": intake.SUBMIT, "check": intake.CHECK}[name]
    answer = events.handler(table, programme)
    refusal = events.written(Answer.html(403, pages.broken()).under(NO_STORE))
    words = [word.encode() for word in chosen.origin]

    def handle(event: Mapping[str, Any], context: object) -> dict[str, Any]:
        try:
            said = str((event.get("headers") or {}).get(ORIGIN_HEADER, "")).encode()
        except Exception as error:  # no event of API Gateway; Lambda would print what it says
            log.error("refused", error)
            return refusal
        # Each is compared, in constant time, whichever it is.
        known = [hmac.compare_digest(said, word) for word in words]
        return answer(event, context) if any(known) else refusal

    return handle


def sweeping(store: Store, city: City, clock: Clock) -> Handler:
    """`sweep`, called by a timer. It counts weeks destroyed and days with keys that are left; when
    it could not do all it raises NotSwept, which AWS counts as an error."""
    from aws_lambda_powertools import single_metric
    from aws_lambda_powertools.metrics import MetricUnit

    from quietdesk import record, sweep  # all of it is not loaded where people wait

    def handle(_: Mapping[str, Any], __: object) -> None:
        now = clock()
        try:
            its = store.date()
            dates = asked(now, its) if its else Dates(now, now)
            lines = sweep.run(store, city, dates.past)
            weeks = sum(line.kind == record.KEYS for line in lines)
            days = sweep.days_of_keys(store, city, now)
        except Exception as error:  # its text may quote the store
            log.error("not swept", error)
            raise NotSwept("a part was not swept; the next hour tries again") from None
        if dates.doubt:
            apart = NotSwept("the function's clock and the store's date are a day apart")
            log.error("clocks apart", apart)
            raise apart
        log.info("swept", weeks=weeks)
        with single_metric(
            name="DaysOfKeys", unit=MetricUnit.Count, value=days, namespace=NAMESPACE
        ) as metric:
            metric.add_dimension("Deployment", city.deployment)

    return handle


def make(environ: Mapping[str, str]) -> Handler:
    """The function of a process. Raises QuietdeskError: then Lambda answers nobody, which is better
    than to answer without keys or under a wrong name. Lambda prints what that says, of a setting or
    a file; of a foreign error, which may quote one, only that there was one."""
    try:
        return _made(environ)
    except Exception as error:
        # Lambda's own line of it may be lost: older runtimes give it no level.
        log.error("did not start", error)
        if isinstance(error, QuietdeskError):
            raise
        raise QuietdeskError("the function did not start") from None


def _made(environ: Mapping[str, str]) -> Handler:
    chosen = settings.read(environ)
    city = City.load(chosen.profile)
    name = environ.get("QUIETDESK_FUNCTION", "")

    def clock() -> datetime:
        return datetime.now(UTC)

    if name == "sweep":
        return sweeping(open_store(chosen.store, patient=True), city, clock)
    if name in ("submit", "check"):
        return answering(name, chosen, city, clock)
    raise BadSetting("QUIETDESK_FUNCTION must be submit, check or sweep")
