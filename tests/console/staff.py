"""A browser that shows the desk, with nothing but HTTP, and what tests of the console share."""

import gc
import re
from dataclasses import replace
from html import unescape
from io import BytesIO
from urllib.parse import urlencode, urlsplit

from quietdesk.staff.console import session
from quietdesk.staff.console.server import Console
from quietdesk.staff.desk.placing import Entered
from quietdesk.staff.device import keyring
from quietdesk.staff.device.opener import Opened, Opener
from quietdesk.staff.work import Work
from tests.world import ASKED, NOON, PASSPHRASE

TOKEN, PORT = "a-token-of-the-test", 43210
HOST = f"127.0.0.1:{PORT}"
ORIGIN = f"http://{HOST}"


class Answer:
    """What the console answered."""

    def __init__(self, status, headers, body):
        self.status = int(status.split()[0])
        self.headers = dict(headers)
        self.body = body.decode()

    @property
    def text(self):
        """What a person reads: without tags, and without what closed menus offer."""
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", self.body)).split())

    def fields(self, name):
        """The values of the page's inputs and buttons of that name."""
        tags = re.findall(rf'<(?:input|button)[^>]* name="{name}"[^>]*>', self.body)
        return [unescape(re.search(r'value="([^"]*)"', tag)[1]) for tag in tags]

    def chosen(self, id):
        """The answer that is chosen for a request on the page of proposals."""
        select = re.search(rf'<select id="c-{id}".*?</select>', self.body, re.DOTALL)[0]
        return re.search(r'<option value="([^"]*)" selected', select)[1]


class Staff:
    """A browser that shows the console, with nothing but HTTP."""

    def __init__(self, console, token=TOKEN):
        self.console = console
        self.base = f"/{token}"
        console.entrance.token = TOKEN
        self._app = console.app(PORT)

    def ask(self, method, path, form=None, follow=True, **headers):
        path, _, query = path.partition("?")
        body = urlencode(form or {}, doseq=True).encode()
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": f"{self.base}{path}",
            "QUERY_STRING": query,
            "wsgi.input": BytesIO(body),
            "HTTP_HOST": HOST,
        }
        if method == "POST":
            kind = "application/x-www-form-urlencoded"
            environ |= {"CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(body))}
            environ["HTTP_ORIGIN"] = ORIGIN
        environ |= {f"HTTP_{name.upper()}": text for name, text in headers.items() if text}
        for name in [name for name, text in headers.items() if not text]:
            environ.pop(f"HTTP_{name.upper()}", None)
        said = []
        answer = self._app(environ, lambda status, headers: said.append((status, headers)))
        got = Answer(*said[0], b"".join(answer))
        if follow and got.status == 303:
            self.wait()
            to = urlsplit(got.headers["Location"])._replace(fragment="")
            return self.get(to.geturl().removeprefix(self.base))
        return got

    def wait(self):
        """Until the work in the background is done."""
        self.console._background._worker.submit(lambda: None).result()

    def get(self, path="/", **more):
        return self.ask("GET", path, **more)

    def post(self, path, follow=True, **form):
        return self.ask("POST", path, form, follow)

    def unlock(self, passphrase=PASSPHRASE):
        return self.post("/unlock", passphrase=passphrase)


def made(world, folder, clock, store=None, lang="en"):
    path = folder / "device.keyring"
    keyring.save(path, keyring.lock(world.device))
    made = Console(
        store or world.store,
        world.city,
        path,
        lambda passphrase: keyring.unlock(path.read_bytes(), passphrase),
        clock,
        lang,
    )
    yield made
    made.close()


def unlocked(staff):
    """The unlocked desk of a console."""
    return staff.console._desk


class Failing:
    """A store that does not answer to one of its methods."""

    def __init__(self, store, method, error):
        self.__dict__.update(store=store, method=method, error=error, asked=0)

    def __getattr__(self, name):
        if name == self.method:
            return self._fail
        return getattr(self.store, name)

    def _fail(self, *_):
        self.__dict__["asked"] += 1
        raise self.error


def put(world, lane="P", **typed):
    envelope = replace(world.sealed(**typed), lane=lane)
    world.store.put(envelope)
    return envelope.id.hex()


def opened(world, now=NOON):
    return {it.id: it for it in world.desk().pull(now) if isinstance(it, Opened)}


def readable():
    """What lies in this process's memory that only an unlocked desk has."""
    gc.collect()
    kinds = Opened | Opener | Work | session.Session | session.Job | Entered
    return [it for it in gc.get_objects() if isinstance(it, kinds)]


def names(page):
    """The names in the rows of a page, as a person reads them."""
    return [
        unescape(it) for it in re.findall(r'class="name"><bdi class="told">(.*?)</bdi>', page.body)
    ]


def accept(staff, page, **changed):
    """Accept what a page proposes, with other answers for some."""
    form = {f"c-{id}": choice for id, choice in changed.items()}
    return staff.post("/accept", number=page.fields("number")[0], **form)


def refuse(staff, follow=True, **form):
    """Answer requests with "no place", and say yes to the question."""
    question = staff.post("/answer", do="none", **form)
    return staff.post("/sure", follow, number=question.fields("number")[0])


NO_PHONE = {"reach": [], "phone": [], "phone_owner": []}
TYPED = {**ASKED, "opening": [""]}
