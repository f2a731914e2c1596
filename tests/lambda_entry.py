"""What `awslambdaric` runs in test_fidelity.py: the same functions over the same store, both in one
process, told apart by the path as API Gateway's routes do."""

import os
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from quietdesk import intake, settings
from quietdesk.pages import CHECK, Pages
from quietdesk.store import open_store
from tests.emulators import be_patient
from tests.events import CLOCK
from tests.waiting import CEILING
from tests.world import compiled_city


def _handler() -> intake.Handler:
    be_patient()
    chosen, city = settings.read(os.environ), compiled_city()
    trust = chosen.trust(city.deployment)
    pages = Pages(city, trust.custodians, trust.threshold)
    now, store = [datetime.fromisoformat(os.environ["TEST_NOW"])], open_store(chosen.store)
    submit = intake.submit(city, pages, store, trust, lambda: now[0])
    check = intake.check(city, pages, store, trust, lambda: now[0])

    def route(event: Mapping[str, Any], context: object) -> dict[str, Any]:
        if told := (event.get("headers") or {}).get(CLOCK):
            now[0] = datetime.fromisoformat(told)
        return (check if event.get("rawPath") == CHECK else submit)(event, context)

    return route


handler = _handler()


def broken(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    raise ValueError(str(event))


def late(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Does all its work, and then does not answer when a header asks for that."""
    answer = handler(event, context)
    time.sleep(CEILING if "x-late" in event["headers"] else 0)
    return answer
