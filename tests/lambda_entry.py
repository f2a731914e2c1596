"""What `awslambdaric` runs in test_fidelity.py: the same function over the same store."""

import os
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from quietdesk import intake, settings
from quietdesk.pages import Pages
from quietdesk.store import open_store
from tests.world import compiled_city


def _handler() -> intake.Handler:
    chosen, city = settings.read(os.environ), compiled_city()
    trust = chosen.trust(city.deployment)
    pages = Pages(city, trust.custodians, trust.threshold)
    now = datetime.fromisoformat(os.environ["TEST_NOW"])
    return intake.submit(city, pages, open_store(chosen.store), trust, lambda: now)


handler = _handler()


def broken(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    raise ValueError(str(event))


def late(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Does all its work, and answers after the deadline when a header asks for that."""
    answer = handler(event, context)
    time.sleep(60 if "x-late" in event["headers"] else 0)
    return answer
