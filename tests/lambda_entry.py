"""What `awslambdaric` runs in tests: the same functions over the same store, both in one process,
told apart by the path as API Gateway's routes do."""

import os
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from quietdesk import events, intake, settings
from quietdesk.events import Handler
from quietdesk.pages import CHECK, Pages
from quietdesk.programme import Programme
from quietdesk.store import Store, open_store
from tests.emulators import be_patient
from tests.events import CLOCK
from tests.waiting import CEILING
from tests.world import BrokenStore, compiled_city

CHOSEN = settings.read(os.environ)
be_patient()


def _handler(store: Store) -> Handler:
    city, now = compiled_city(), [datetime.fromisoformat(os.environ["TEST_NOW"])]
    trust = CHOSEN.trust(city.deployment)
    pages = Pages(city, trust.custodians, trust.threshold)
    programme = Programme(city, store, trust, pages, lambda: now[0])
    submit = events.handler(intake.SUBMIT, programme)
    check = events.handler(intake.CHECK, programme)

    def route(event: Mapping[str, Any], context: object) -> dict[str, Any]:
        if told := (event.get("headers") or {}).get(CLOCK):
            now[0] = datetime.fromisoformat(told)
        return (check if event.get("rawPath") == CHECK else submit)(event, context)

    return route


handler = _handler(open_store(CHOSEN.store))
unforeseen = _handler(cast(Store, BrokenStore()))


def broken(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    raise ValueError(str(event))


def late(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Does all its work, and does not answer when a header asks for that."""
    answer = handler(event, context)
    while "x-late" in event["headers"]:
        time.sleep(CEILING)
    return answer
