"""What `awslambdaric` runs in test_fidelity.py: the same functions over the same store, both in one
process, told apart by the path as API Gateway's routes do."""

import os
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from quietdesk import events, intake, settings
from quietdesk.events import Handler
from quietdesk.pages import CHECK, Pages
from quietdesk.programme import Programme
from quietdesk.store import open_store
from tests.events import CLOCK
from tests.world import compiled_city


def _handler() -> Handler:
    chosen, city = settings.read(os.environ), compiled_city()
    trust = chosen.trust(city.deployment)
    pages = Pages(city, trust.custodians, trust.threshold)
    now, store = [datetime.fromisoformat(os.environ["TEST_NOW"])], open_store(chosen.store)
    programme = Programme(city, store, trust, pages, lambda: now[0])
    submit = events.handler(intake.SUBMIT, programme)
    check = events.handler(intake.CHECK, programme)

    def route(event: Mapping[str, Any], context: object) -> dict[str, Any]:
        if told := (event.get("headers") or {}).get(CLOCK):
            now[0] = datetime.fromisoformat(told)
        return (check if event.get("rawPath") == CHECK else submit)(event, context)

    return route


handler = _handler()


def broken(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    raise ValueError(str(event))


def late(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Does all its work, and answers after the deadline when a header asks for that."""
    answer = handler(event, context)
    time.sleep(60 if "x-late" in event["headers"] else 0)
    return answer
