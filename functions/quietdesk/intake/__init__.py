"""The functions on the internet, `submit` and `check`: the two tables of their routes.

The view is in `submit` or `check`. `posted` reads what was sent, `entry` says which envelopes may
come in, `offer` which times may be taken, `held` what stands under a code. `plain` is the form of
phones without scripts; `answers` goes around every view. Nothing here lists or searches envelopes.
"""

from quietdesk import pages
from quietdesk.intake import check, submit
from quietdesk.programme import Programme
from quietdesk.web import Route

SUBMIT: tuple[Route[Programme], ...] = (
    Route("POST", pages.SUBMIT, submit.post),
    Route("GET", "/api/keys/<queue>/<epoch>", submit.key),
    Route("GET", "/api/openings", submit.openings),
    Route("GET", "/api/openings/<path>", submit.openings),
    Route("GET", "/api/request/<lang>", submit.form),
    Route("GET", "/api/request/<lang>/<path>", submit.form),
    Route("GET", "/api/request/<lang>/<path>/", submit.form),  # as people type it
    Route("GET", "/api/request/<lang>/at/<center>", submit.form),
)
CHECK: tuple[Route[Programme], ...] = (Route("POST", pages.CHECK, check.post),)
