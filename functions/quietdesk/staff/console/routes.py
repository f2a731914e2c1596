"""Every address of an unlocked desk, after the token, in one table."""

from dataclasses import dataclass

from quietdesk.staff.console import answers, enter, junk, openings, queue
from quietdesk.staff.console.at import View


@dataclass(frozen=True, slots=True)
class Line:
    """What answers a method and a path. `touches`: asking for it is a sign that somebody is there.
    `beside`: it does not wait for work in the background, as who is on the telephone does not.
    `keeps`: what is shown once stays for it, since a browser may ask for that again."""

    method: str
    path: str
    view: View
    touches: bool = True
    beside: bool = False
    keeps: bool = False


LINES = (
    Line("GET", "/", queue.show),
    # Pages ask for this by themselves.
    Line("GET", "/look", queue.look, touches=False, keeps=True),
    Line("POST", "/touch", queue.touch, beside=True, keeps=True),
    Line("POST", "/pull", queue.pull),
    Line("GET", "/problem", queue.problem, beside=True, keeps=True),
    Line("POST", "/request", queue.look_at),
    Line("POST", "/contact", queue.look_at),
    Line("GET", "/request", queue.request),
    Line("POST", "/answer", answers.answer),
    Line("GET", "/sure", answers.question),
    Line("POST", "/sure", answers.sure),
    Line("POST", "/propose", answers.propose),
    Line("GET", "/plan", answers.plan),
    Line("POST", "/accept", answers.accept),
    Line("GET", "/junk", junk.show),
    Line("POST", "/erase-junk", junk.erase),
    Line("POST", "/put-back", junk.put_back),
    Line("GET", "/openings", openings.show),
    Line("GET", "/stop", openings.stop),
    Line("POST", "/publish", openings.publish),
    Line("POST", "/closing", openings.closing),
    Line("POST", "/reopen", openings.reopen),
    Line("GET", "/enter", enter.form, beside=True, keeps=True),
    Line("POST", "/enter", enter.enter, beside=True, keeps=True),
    Line("GET", "/sending", enter.sending, touches=False, beside=True, keeps=True),
    Line("GET", "/again", enter.again, beside=True, keeps=True),
    Line("GET", "/slip", enter.slip, beside=True, keeps=True),
)
