"""Threads at one desk: two browser tabs, work in the background, and a lock that waits for nobody.

What is readable is one value that is swapped whole. After the lock nothing is read or written back.
"""

from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from http.client import HTTPConnection
from itertools import count
from threading import Barrier, Event, Thread
from urllib.parse import urlencode

import pytest

from quietdesk import local
from quietdesk.errors import Locked, StoreBusy
from quietdesk.staff.console import answers, server
from quietdesk.staff.console.session import Unlocked
from quietdesk.staff.desk import queue as queues
from quietdesk.staff.desk.placing import Placing
from quietdesk.staff.device.opener import Opener
from quietdesk.staff.outcome import Decision
from quietdesk.staff.work import Work
from tests.console.staff import TOKEN, Failing, opened, put, readable, unlocked
from tests.console.test_enter import TYPED, code_on
from tests.serving import beside
from tests.waiting import CEILING
from tests.world import ASKED, NOON, PASSPHRASE


def is_locked(desk):
    try:
        desk.peek()
    except Locked:
        return True
    return False


class Held:
    """A function that stops before its call of that number until it may go on."""

    def __init__(self, monkeypatch, owner, name, at=1):
        self.reached, self._going = Event(), Event()
        works, calls = getattr(owner, name), count(1)

        def held(*args):
            if next(calls) == at:
                self.reached.set()
                assert self._going.wait(CEILING)
            return works(*args)

        monkeypatch.setattr(owner, name, held)

    @contextmanager
    def meanwhile(self):
        """While it stands still."""
        assert self.reached.wait(CEILING)
        try:
            yield
        finally:
            self._going.set()


class Tab:
    """Another tab of the same browser, which asks at its own time."""

    def __init__(self, staff, method, path, **form):
        self._answers = []
        self._thread = Thread(target=lambda: self._answers.append(ask(staff, method, path, form)))
        self._thread.start()

    def answer(self):
        self._thread.join(CEILING)
        (answer,) = self._answers
        return answer


@contextmanager
def served(console):
    """The console on a free port; gives a function that posts a form and does not wait."""
    with local.reserve("127.0.0.1", 0) as reserved, ExitStack() as connections:
        port = reserved.getsockname()[1]

        def post(path, **form):
            it = HTTPConnection("127.0.0.1", port, timeout=CEILING)
            connections.callback(it.close)
            headers = {"Origin": f"http://127.0.0.1:{port}"}
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            it.request("POST", f"/{TOKEN}{path}", urlencode(form, doseq=True), headers)
            return it

        with beside(local.listen(console.app(port), reserved)):
            yield post


def ask(staff, method, path, form):
    return staff.ask(method, path, form, follow=False)


def at(answer, staff):
    """Where an answer leads, without the token."""
    return answer.headers["Location"].removeprefix(staff.base)


def test_page_is_shown_while_another_is_made(staff, world, publish, monkeypatch):
    publish()
    id = put(world, name=["Marisol"])
    staff.unlock()
    page = at(staff.post("/request", follow=False, one=id), staff)
    held = Held(monkeypatch, queues, "fitting")

    first = Tab(staff, "GET", page)
    with held.meanwhile():
        second = staff.get("/")

    assert "Marisol" in second.text and second.status == 200
    assert "Give this place" in first.answer().text


def test_lock_during_a_pull_lets_go_at_once_and_nothing_is_written_back(staff, world, monkeypatch):
    before = len(readable())
    for _ in range(3):
        put(world, name=["Marisol"])
    held = Held(monkeypatch, Opener, "open", at=2)
    staff.post("/unlock", follow=False, passphrase=PASSPHRASE)
    with held.meanwhile():
        desk = unlocked(staff)
        assert desk.peek().job.running

        staff.post("/lock", follow=False)

        assert staff.console.locked
        with pytest.raises(Locked):
            desk.peek()
        assert "Passphrase" in staff.get("/").text
    staff.wait()

    with pytest.raises(Locked):
        desk.peek()
    del desk
    assert len(readable()) == before
    assert staff.console.locked


@pytest.mark.parametrize("let_go", ["lock", "close"])
def test_lock_while_the_passphrase_is_checked_is_not_overtaken(staff, world, monkeypatch, let_go):
    before = len(readable())
    put(world, name=["Marisol"])
    held = Held(monkeypatch, staff.console, "_unlock")

    tab = Tab(staff, "POST", "/unlock", passphrase=PASSPHRASE)
    with held.meanwhile():
        getattr(staff.console, let_go)()

    assert tab.answer().status == 303
    assert staff.console.locked
    assert len(readable()) == before
    assert "The desk was locked" in staff.get("/").text


def test_lock_while_a_second_passphrase_waits_its_turn_is_not_overtaken(staff, monkeypatch):
    waits, waiting = staff.console._unlocking, Event()

    class Turn:
        def __enter__(self):
            waiting.set()
            return waits.__enter__()

        def __exit__(self, *raised):
            return waits.__exit__(*raised)

    monkeypatch.setattr(staff.console, "_unlocking", Turn())
    with waits:  # as while another passphrase is checked
        tab = Tab(staff, "POST", "/unlock", passphrase=PASSPHRASE)
        assert waiting.wait(CEILING)
        staff.post("/lock", follow=False)

    assert tab.answer().status == 303
    assert staff.console.locked


def test_idle_desk_that_was_replaced_meanwhile_leaves_the_new_one_open(staff, clock, monkeypatch):
    """The timer judged the desk that stood there; somebody has unlocked since."""
    staff.unlock()
    old, looks = unlocked(staff), staff.console._clock

    def meanwhile():
        monkeypatch.setattr(staff.console, "_clock", looks)
        clock.now += timedelta(hours=1)
        staff.unlock()
        return looks()

    monkeypatch.setattr(staff.console, "_clock", meanwhile)
    staff.console.tick()

    assert unlocked(staff) not in (None, old)
    with pytest.raises(Locked):
        old.peek()


def test_old_pull_changes_nothing_after_the_next_unlocking(staff, world, monkeypatch):
    put(world, name=["Marisol"])
    held = Held(monkeypatch, Opener, "open")
    staff.post("/unlock", follow=False, passphrase=PASSPHRASE)
    with held.meanwhile():
        old = unlocked(staff)
        staff.post("/lock", follow=False)
        staff.post("/unlock", follow=False, passphrase=PASSPHRASE)
        new = unlocked(staff)
    staff.wait()

    with pytest.raises(Locked):
        old.peek()
    assert [it.request.name for it in new.peek().items.values()] == ["Marisol"]
    assert not new.peek().job.running


def test_view_that_runs_while_another_tab_locks_shows_nothing(staff, world, publish, monkeypatch):
    publish()
    id = put(world, name=["Marisol"])
    staff.unlock()
    held = Held(monkeypatch, queues, "propose")

    page = Tab(staff, "POST", "/propose", id=id)
    with held.meanwhile():
        desk = unlocked(staff)
        staff.post("/lock", follow=False)

    answer = page.answer()
    assert (answer.status, answer.body) == (303, "")
    locked = staff.get("/")
    assert "Passphrase" in locked.text and "Nothing was changed" not in locked.text
    with pytest.raises(Locked):
        desk.peek()


def test_page_made_before_the_lock_and_sent_after_it_is_not_sent(staff, world, monkeypatch):
    """Everything readable of it was read already: it is the answer that is held back."""
    put(world, name=["Marisol"])
    staff.unlock()
    held = Held(monkeypatch, queues, "promised")  # the last that the page asks for

    page = Tab(staff, "GET", "/")
    with held.meanwhile():
        staff.post("/lock", follow=False)

    assert "Marisol" not in page.answer().body


def test_lock_stops_short_work_in_another_tab_before_its_next_request(staff, world, monkeypatch):
    ids = [put(world) for _ in range(3)]
    staff.unlock()
    held = Held(monkeypatch, Placing, "refuse", at=2)

    question = staff.post("/answer", id=ids, do="none")
    page = Tab(staff, "POST", "/sure", number=question.fields("number")[0])
    with held.meanwhile():
        staff.post("/lock", follow=False)
        assert staff.console.locked

    assert page.answer().status in (303, 409)
    assert Counter(it.state for it in opened(world).values()) == {"none": 2, "waiting": 1}


def test_short_work_of_two_tabs_is_all_done(staff, world, monkeypatch):
    first, second = put(world), put(world)
    staff.unlock()
    held = Held(monkeypatch, Placing, "refuse")

    one = Tab(staff, "POST", "/answer", id=first, do="none")
    with held.meanwhile():
        # Straight to the work: a page would show how far the other one is.
        todo = [(second, Decision.NONE)]
        other = Thread(
            target=lambda: staff.console._background.start(
                unlocked(staff), "answer", 1, lambda it, seen: it.work.answer(it.queue, todo, seen)
            )
        )
        other.start()
    other.join(CEILING)

    assert one.answer().status == 303
    assert {it.state for it in opened(world).values()} == {"none"}
    assert {it.state for it in unlocked(staff).peek().items.values()} == {"none"}


def test_page_asked_for_while_another_tab_works_says_how_far_it_is(staff, world, monkeypatch):
    ids = [put(world, name=["Marisol"]) for _ in range(3)]
    staff.unlock()
    held = Held(monkeypatch, Placing, "refuse", at=2)

    question = staff.post("/answer", id=ids, do="none")
    work = Tab(staff, "POST", "/sure", number=question.fields("number")[0])
    with held.meanwhile():
        page = staff.get("/")

    assert "1 of 3" in page.text and "Marisol" not in page.body
    work.answer()
    assert "Answered that there is no place: 3" in staff.get("/look").text


def test_proposals_accepted_in_two_tabs_at_once_are_done_once(staff, world, publish, monkeypatch):
    publish()
    id = put(world)
    staff.unlock()
    number = staff.post("/propose", id=id).fields("number")[0]
    both, one = Barrier(2), answers.one

    def together(form, name, default=""):
        if name == "at":  # which accepting looks for first
            both.wait(CEILING)
        return one(form, name, default)

    monkeypatch.setattr(answers, "one", together)
    tabs = [Tab(staff, "POST", "/accept", number=number) for _ in range(2)]

    went = {at(tab.answer(), staff) for tab in tabs}
    assert went == {"/", "/look"}
    done = staff.get("/look").text
    assert "That page was an old one" in done and "Placed: 1" in done
    assert opened(world)[id].envelope.rev == 2


def test_form_sent_twice_at_once_enters_one_person_and_both_see_the_code(staff, world, monkeypatch):
    """The second press holds no thread: it goes to a page that asks until the code is there."""
    staff.unlock()
    form = staff.get("/enter").fields("form")[0]
    held = Held(monkeypatch, Work, "enter")

    first = Tab(staff, "POST", "/enter", form=form, **TYPED)
    with held.meanwhile():
        pages = [staff.post("/enter", form=form, **TYPED) for _ in range(3)]

    assert all("This is being sent" in page.text for page in pages)
    assert all(f'content="1;url={staff.base}/sending"' in page.body for page in pages)
    assert first.answer().headers["Location"] == f"{staff.base}/slip"
    assert len(opened(world)) == 1
    shown = [code_on(staff.get(path)) for path in ("/slip", "/sending")]
    assert shown[0] and shown[0] == shown[1]


def test_form_sent_twice_that_cannot_be_kept_shows_both_what_was_typed(staff, world, monkeypatch):
    staff.unlock()
    monkeypatch.setattr(world.store, "put", Failing(world.store, "put", StoreBusy("no")).put)
    held = Held(monkeypatch, Work, "enter")

    first = Tab(staff, "POST", "/enter", form="one", **TYPED)
    with held.meanwhile():
        staff.post("/enter", form="one", **TYPED)

    assert first.answer().headers["Location"] == f"{staff.base}/again"
    again = staff.get("/sending")
    assert "It is not known whether this was kept" in again.text and ASKED["name"][0] in again.body


def test_another_person_sent_meanwhile_keeps_what_was_typed(staff, world, monkeypatch):
    staff.unlock()
    held = Held(monkeypatch, Work, "enter")

    first = Tab(staff, "POST", "/enter", form="one", **TYPED)
    with held.meanwhile():
        other = staff.post("/enter", form="two", **{**TYPED, "name": "Rosa"})

    assert first.answer().status == 303 and code_on(staff.get("/slip"))
    assert "Try again in a moment" in other.text and other.fields("name") == ["Rosa"]
    assert code_on(staff.post("/enter", form="three", **{**TYPED, "name": "Rosa"}))
    assert {it.request.name for it in opened(world).values()} == {ASKED["name"][0], "Rosa"}


def test_desk_that_is_locked_while_somebody_is_entered_says_so(staff, monkeypatch):
    staff.unlock()
    held = Held(monkeypatch, Work, "enter")

    first = Tab(staff, "POST", "/enter", form="one", **TYPED)
    with held.meanwhile():
        staff.post("/lock", follow=False)

        page = staff.get("/sending")  # which asks again by itself

    assert first.answer().status == 303
    assert staff.console.locked
    assert "Passphrase" in page.text and "Nothing was changed" not in page.text


def test_lock_is_answered_while_the_store_hangs_however_often_somebody_presses(
    staff, world, monkeypatch
):
    """Over the server that the desk runs on, which has so many threads and no more."""
    staff.unlock()
    held = Held(monkeypatch, Work, "enter")

    with served(staff.console) as ask_served:
        presses = [ask_served("/enter", form="one", **TYPED)]
        with held.meanwhile():
            presses += [ask_served("/enter", form="one", **TYPED) for _ in range(local.THREADS)]
            lock = ask_served("/lock")
            assert lock.getresponse().status == 303
            assert staff.console.locked
        said = {press.getresponse().status for press in presses}
        assert said <= {303, 409}  # as they were read before the lock, or after it


def test_who_is_entered_during_other_work_stays_on_the_screen(staff, world, monkeypatch):
    ids = [put(world, name=[f"N{n}"]) for n in range(3)]
    staff.unlock()
    held = Held(monkeypatch, Placing, "refuse")

    question = staff.post("/answer", id=ids, do="none")
    work = Tab(staff, "POST", "/sure", number=question.fields("number")[0])
    with held.meanwhile():
        staff.post("/enter", follow=False, **{**TYPED, "name": "Rosa"})
        assert code_on(staff.get("/slip"))
    work.answer()

    names = sorted(it.request.name for it in unlocked(staff).peek().items.values())
    assert names == ["N0", "N1", "N2", "Rosa"]


def test_who_is_entered_while_a_pull_runs_stays_on_the_screen(staff, world, monkeypatch):
    """The pull has read what the store had before."""
    put(world, name=["Marisol"])
    staff.unlock()
    put(world, name=["Vera"])
    held = Held(monkeypatch, Opener, "open")

    staff.post("/pull", follow=False)
    with held.meanwhile():
        staff.post("/enter", follow=False, **{**TYPED, "name": "Rosa"})
        assert code_on(staff.get("/slip"))
    staff.wait()

    names = sorted(it.request.name for it in unlocked(staff).peek().items.values())
    assert names == ["Marisol", "Rosa", "Vera"]
    assert unlocked(staff).peek().queue.counts["waiting"] == 3


def test_what_is_answered_elsewhere_while_a_pull_runs_is_shown_as_it_is_in_the_store(
    staff, world, monkeypatch
):
    """This window looks at a request again, which it may do beside the pull."""
    id = put(world, name=["Marisol"])
    staff.unlock()
    put(world)
    held = Held(monkeypatch, Opener, "open")

    staff.post("/pull", follow=False)
    with held.meanwhile():
        world.desk().refuse(opened(world)[id], NOON)
        desk = unlocked(staff)
        now = desk.peek().work.look(bytes.fromhex(id))
        desk.swap(lambda it: replace(it, queue=it.queue.changed({id: now})))
    staff.wait()

    assert unlocked(staff).peek().items[id].state == "none"


@pytest.mark.parametrize("path", ["/answer", "/propose", "/closing", "/publish"])
def test_what_is_pressed_in_another_window_while_a_pull_runs_is_said_not_to_be_done(
    staff, world, publish, monkeypatch, path
):
    publish()
    id = put(world, name=["Marisol"])
    staff.unlock()
    put(world)
    held = Held(monkeypatch, Opener, "open")
    form = {"id": id, "do": "none", "center": "corona", "day": "2026-11-23"}

    staff.post("/pull", follow=False)
    with held.meanwhile():
        pressed = staff.post(path, follow=False, **form)
        page = staff.get(at(pressed, staff))
    staff.wait()

    assert pressed.status == 303 and "What was pressed meanwhile was not done." in page.text
    assert opened(world)[id].state == "waiting"


def test_press_that_is_overtaken_by_a_pull_is_said_not_to_be_done(staff, world, monkeypatch):
    """The view ran when no work did; then another window began to pull."""
    id = put(world, name=["Marisol"])
    staff.unlock()
    put(world)
    opening = Held(monkeypatch, Opener, "open")
    started = Held(monkeypatch, staff.console._background, "start", at=1)

    press = Tab(staff, "POST", "/answer", id=id, do="none")
    with started.meanwhile():
        staff.post("/pull", follow=False)
        assert opening.reached.wait(CEILING)
    with opening.meanwhile():
        assert press.answer().status == 303
        page = staff.get("/look")
    staff.wait()

    assert "What was pressed meanwhile was not done." in page.text
    assert opened(world)[id].state == "waiting"


def test_two_passphrases_at_once_leave_one_desk(staff, world, monkeypatch):
    put(world, name=["Marisol"])
    held, desks = Held(monkeypatch, staff.console, "_unlock"), []

    def kept(*args):
        desks.append(Unlocked(*args))
        return desks[-1]

    monkeypatch.setattr(server, "Unlocked", kept)
    first = Tab(staff, "POST", "/unlock", passphrase=PASSPHRASE)
    with held.meanwhile():
        second = Tab(staff, "POST", "/unlock", passphrase=PASSPHRASE)
    assert (first.answer().status, second.answer().status) == (303, 303)
    staff.wait()

    (left,) = [desk for desk in desks if not is_locked(desk)]
    assert len(desks) == 2 and left is unlocked(staff)
    assert "Marisol" in staff.get("/").text


def test_snapshot_that_somebody_reads_does_not_change_under_them(world):
    desk = Unlocked(Work(world.store, world.city, world.trust, lambda: NOON), world.city, NOON)
    before = desk.read(NOON)

    desk.swap(lambda it: replace(it, number=7))

    assert (before.number, desk.read(NOON).number) == (0, 7)


@pytest.mark.parametrize("do", ["peek", "read", "swap"])
def test_locked_desk_gives_and_takes_nothing(world, do):
    desk = Unlocked(Work(world.store, world.city, world.trust, lambda: NOON), world.city, NOON)
    desk.lock()
    calls = {
        "peek": desk.peek,
        "read": lambda: desk.read(NOON),
        "swap": lambda: desk.swap(lambda it: it),
    }

    with pytest.raises(Locked):
        calls[do]()
