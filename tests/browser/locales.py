"""The locales that tests in a browser go through: all of them in `make soak`, a few every day.

What differs by locale is the words, whose tests read all of them in the built files; in a browser
it is how much room they need, and where a line begins.
"""

import pytest

from tests.world import compiled_city

# Latin; letters with marks above and below; from right to left, in lines twice as high.
EVERY_DAY = ("en", "bn", "ur")
LOCALES = [
    pytest.param(locale, id=locale.tag, marks=[] if locale.tag in EVERY_DAY else [pytest.mark.slow])
    for locale in compiled_city().locales
]
TAGS = [pytest.param(it.id, marks=it.marks) for it in LOCALES]
