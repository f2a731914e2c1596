"""The work of the desk, which console and commands only put into words: what became of each
request, why not, whom to call and what is left."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from quietdesk import codes, hpke
from quietdesk.errors import (
    Changed,
    Conflict,
    Gone,
    NoDay,
    NoKeyYet,
    NoSeats,
    NotSaved,
    QuietdeskError,
    StoreRefused,
    StoreUnavailable,
    TooOld,
    TracesRemain,
    Unsure,
)
from quietdesk.openings import DESK, Opening
from quietdesk.staff.custodian import ceremony
from quietdesk.staff.desk.placing import Placing
from quietdesk.staff.device import keyring
from quietdesk.staff.device.opener import Opened, Opener, Unopened
from quietdesk.staff.outcome import Answered, Decision, Outcome, Started, choice
from quietdesk.staff.work import Work
from quietdesk.store.sqlite import Sqlite
from quietdesk.weeks import Epoch
from tests.hostile import spoiled
from tests.world import ASKED, NOON, WEEK, another_device

VISIT = Opening(date(2026, 12, 3), "13:00", "corona", DESK)
CLOSED = ("corona", VISIT.day)
WEEK_47 = Epoch(2026, 47)
NO_PHONE = {"reach": [], "phone": [], "phone_owner": []}


@pytest.fixture
def path(world, tmp_path):
    """Where the keyring of this computer lies."""
    path = tmp_path / "device.keyring"
    keyring.save(path, keyring.lock(world.device))
    return path


@pytest.fixture
def work(world):
    return Work(world.store, world.city, world.trust, lambda: NOON, world.device)


@pytest.fixture
def published(world):
    """Published openings, with room for many at VISIT."""
    world.publisher().publish(NOON)
    world.store.set_seats({VISIT: 9})


def ask(world, *names, **typed):
    """Requests of these names; gives their ids."""
    sealed = [world.sealed(name=[name], **typed) for name in names]
    for envelope in sealed:
        world.store.put(envelope)
    return [envelope.id.hex() for envelope in sealed]


def queue_of(work, path):
    return work.pull(path, {}).queue


def opened(world):
    return {item.id: item for item in world.desk().pull(NOON) if isinstance(item, Opened)}


def failing(monkeypatch, kind, method, error, after=0):
    """A method that raises after so many calls."""
    works, calls = getattr(kind, method), []

    def fails(*args):
        calls.append(args)
        if len(calls) > after:
            raise error
        return works(*args)

    monkeypatch.setattr(kind, method, fails)
    return calls


# --- Answering -----------------------------------------------------------------------------------


def test_each_request_is_done_as_asked_and_says_how_it_stands(work, world, path, published):
    ids = ask(world, "Ana", "Boris", "Chen", "Dora")
    queue = queue_of(work, path)
    todo = list(zip(ids, [VISIT, *Decision], strict=True))

    outcome = work.answer(queue, todo)

    assert [it.did for it in outcome.answered] == ["placed", "wait", "none", "erase"]
    assert outcome.counts == {"placed": 1, "wait": 1, "none": 1, "erase": 1}
    assert (outcome.not_done, outcome.stopped, outcome.untried) == ((), None, 0)
    after = queue.changed(outcome.became)
    stored = opened(world)
    assert {id: item.envelope for id, item in after.items.items()} == {
        id: item.envelope for id, item in stored.items()
    }
    assert [stored[id].state for id in ids[:3]] == ["placed", "waiting", "none"]
    assert queue.items[ids[0]].state == "waiting"  # a page that reads it is not disturbed


def test_what_was_not_done_says_why_and_stops_no_other(work, world, path, published):
    gone, changed, full, early, good = ask(world, "Ana", "Boris", "Chen", "Dora", "Eva")
    queue = queue_of(work, path)
    world.store.erase(opened(world)[gone].envelope, stub=True)
    world.desk().wait(opened(world)[changed], NOON)
    nowhere = replace(VISIT, day=date(2026, 12, 31))
    world.store.set_seats({nowhere: 1})
    todo = [(gone, VISIT), (changed, VISIT), (full, replace(VISIT, at="13:07")), (early, nowhere)]
    todo += [("00" * 16, Decision.NONE), (good, VISIT)]

    outcome = work.answer(queue, todo)

    kinds = [type(it.error) for it in outcome.answered]
    assert kinds == [Gone, Changed, NoSeats, NoKeyYet, Gone, type(None)]
    assert outcome.counts == {"placed": 1}
    assert [it.name for it in outcome.not_done] == ["Ana", "Boris", "Chen", "Dora", None]
    after = queue.changed(outcome.became)
    assert gone not in after.items
    assert after.items[changed].reply.look_again  # as the other one left it
    assert after.items[full].envelope == queue.items[full].envelope


def test_request_that_somebody_made_unreadable_is_changed_and_shut(work, world, path, published):
    (id,) = ask(world, "Ana")
    queue = queue_of(work, path)
    held = opened(world)[id].envelope
    world.store.replace(held, replace(held, opening=str(VISIT)))

    outcome = work.answer(queue, [(id, Decision.NONE)])

    assert isinstance(outcome.answered[0].error, Changed)
    after = queue.changed(outcome.became)
    assert after.items == {}
    assert [it.reason.code for it in after.shut] == ["moved"]


def test_store_that_goes_away_leaves_the_rest_untried(work, world, path, monkeypatch):
    ids = ask(world, "Ana", "Boris", "Chen")
    queue = queue_of(work, path)
    down = StoreUnavailable("down")
    calls = failing(monkeypatch, Placing, "refuse", down, after=1)

    outcome = work.answer(queue, [(id, Decision.NONE) for id in ids])

    assert (outcome.stopped, outcome.untried, len(outcome.answered)) == (down, 1, 2)
    # Whether the second has its answer nobody knows: it is not among those left as they were.
    assert (outcome.doubtful.id, outcome.doubtful.error) == (ids[1], down)
    assert outcome.not_done == (outcome.doubtful,)
    assert len(calls) == 2
    assert [opened(world)[id].state for id in ids] == ["none", "waiting", "waiting"]


def test_answer_of_the_store_that_is_lost_leaves_one_in_doubt_and_it_may_be_done(
    work, world, path, monkeypatch
):
    ids = ask(world, "Ana", "Boris")
    queue, replace_ = queue_of(work, path), world.store.replace

    def lost(old, new):
        replace_(old, new)
        raise StoreUnavailable("no answer")

    monkeypatch.setattr(world.store, "replace", lost)

    outcome = work.answer(queue, [(id, Decision.NONE) for id in ids])

    assert (outcome.doubtful.id, outcome.untried) == (ids[0], 1)
    assert opened(world)[ids[0]].state == "none"


def test_conflict_that_nobody_can_look_at_is_not_in_doubt(work, world, path, monkeypatch):
    ids = ask(world, "Ana", "Boris")
    queue = queue_of(work, path)
    failing(monkeypatch, Placing, "refuse", Conflict("somebody else"))
    failing(monkeypatch, world.store, "find", StoreUnavailable("down"))

    outcome = work.answer(queue, [(id, Decision.NONE) for id in ids])

    assert [type(it.error) for it in outcome.answered] == [Conflict, Conflict]
    assert (outcome.doubtful, outcome.stopped) == (None, None)


def test_second_try_of_entering_says_nothing_of_the_first(work, world, monkeypatch):
    """What the store lost may be kept; that no time is left then, or no key, is no answer."""
    lost, tries = Unsure("a time"), []

    def enter(*given):
        tries.append(given)
        raise lost if len(tries) == 1 else NoSeats("that time is over")

    monkeypatch.setattr(Placing, "enter", lambda _, *given: enter(*given))

    with pytest.raises(QuietdeskError) as refused:
        work.enter(ASKED, codes.new())

    assert (type(refused.value), refused.value.opening, len(tries)) == (Unsure, "a time", 2)


def test_erased_with_traces_is_done_and_says_that_they_remain(work, world, path, monkeypatch):
    ids = ask(world, "Ana", "Boris")
    erase = world.store.erase

    def leaving_traces(envelope, stub=False):
        erase(envelope, stub)
        raise TracesRemain("somebody reads")

    queue = queue_of(work, path)
    sealed = opened(world)[ids[1]].envelope
    monkeypatch.setattr(world.store, "erase", leaving_traces)
    outcomes = [work.answer(queue, [(ids[0], Decision.ERASE)]), work.erase([sealed])]

    assert opened(world) == {}
    for outcome in outcomes:
        assert outcome.counts == {"erase": 1}
        assert isinstance(outcome.traces, TracesRemain)


def test_erasing_needs_no_keyring_and_says_who_changed(world):
    ids = ask(world, "Ana", "Boris", "Chen")
    sealed = [opened(world)[id].envelope for id in ids]
    world.store.erase(sealed[0])
    world.desk().wait(opened(world)[ids[1]], NOON)

    outcome = Work(world.store, world.city, world.trust, lambda: NOON).erase(sealed)

    assert [type(it.error) for it in outcome.answered] == [Gone, Changed, type(None)]
    assert [it.name for it in outcome.answered] == [None] * 3
    assert {*opened(world)} == {ids[1]}


def test_steps_are_told_as_they_are_done_and_whoever_raises_ends_the_work(work, world, path):
    ids = ask(world, "Ana", "Boris", "Chen")
    queue, steps = queue_of(work, path), []

    def seen(step):
        steps.append(step)
        if len(steps) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work.answer(queue, [(id, Decision.NONE) for id in ids], seen)

    assert steps[0] == Started(3)
    assert [it.id for it in steps[1:] if isinstance(it, Answered)] == ids[:2]
    assert [opened(world)[id].state for id in ids] == ["none", "none", "waiting"]


def test_outcome_shows_nothing_in_a_log_and_keeps_no_trace(work, world, path):
    (id,) = ask(world, "Zubrowka")
    queue = queue_of(work, path)
    world.store.erase(opened(world)[id].envelope)

    outcome = work.answer(queue, [(id, Decision.NONE)])

    assert "Zubrowka" not in f"{outcome!r}{outcome.answered[0]!r}{queue!r}"
    error = outcome.answered[0].error
    assert (error.__traceback__, error.__context__, error.__cause__) == (None, None, None)


@pytest.mark.parametrize("text", [*Decision, str(VISIT)])
def test_answer_reads_as_it_is_written(text):
    assert str(choice(text)) == text


@pytest.mark.parametrize("text", ["", "leave", "corona", "WAIT", f"{VISIT} "])
def test_answer_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="not an opening"):
        choice(text)


# --- Pulling -------------------------------------------------------------------------------------


def test_request_sent_in_two_weeks_is_opened_once(work, world, path):
    code = codes.new()
    for now in (NOON, NOON + WEEK):
        world.store.put(world.sealed(now, code, name=["Ana"]))

    queue = queue_of(work, path)

    assert [item.request.name for item in queue.items.values()] == ["Ana"]
    assert [it.reason.code for it in queue.shut] == ["twice"]


def test_what_is_known_and_did_not_change_is_not_opened_again(work, world, path, monkeypatch):
    kept, changed = ask(world, "Ana", "Boris")
    known = queue_of(work, path).items
    world.desk().wait(opened(world)[changed], NOON)
    calls = failing(monkeypatch, Opener, "open", None, after=9)

    queue = work.pull(path, known).queue

    assert queue.items[kept] is known[kept]
    assert queue.items[changed].reply.look_again
    assert len(calls) == 1


def test_keys_that_cannot_be_made_ready_stop_no_pull(world, path):
    (id,) = ask(world, "Ana")
    later = Work(world.store, world.city, world.trust, lambda: NOON + WEEK, world.device)
    (path.parent / "device.keyring.new").mkdir()

    outcome = later.pull(path, {})

    assert isinstance(outcome.unready, NotSaved)
    assert {*outcome.queue.items} == {id}


# --- Closing a day -------------------------------------------------------------------------------


def placed(world, *names, **typed):
    """Requests with a place at VISIT; gives their ids."""
    ids = ask(world, *names, **typed)
    for id in ids:
        world.desk().place(opened(world)[id], VISIT, NOON)
    return ids


def close(work, path, queue=None):
    """Close the day, everybody to the place that is proposed."""
    queue = queue or queue_of(work, path)
    there = [item for item in queue.items.values() if item.opening]
    proposals = work.propose(queue, there, CLOSED)
    todo = [(it.item.id, it.opening or Decision.WAIT) for it in proposals]
    return work.close_day(queue, CLOSED, todo)


def test_closed_day_says_whom_to_call_and_who_may_come_in_vain(work, world, path, published):
    (calls,) = placed(world, "Ana")
    (looks,) = placed(world, "Chen", **NO_PHONE)
    late = Work(world.store, world.city, world.trust, lambda: NOON + 12 * WEEK / 7, world.device)

    outcome = close(late, path)

    assert [it.id for it in outcome.told("call")] == [calls]
    assert [it.id for it in outcome.told("door")] == [looks]
    assert {it.had for it in outcome.answered} == {VISIT}
    assert all(it.now.opening != VISIT for it in outcome.answered)
    assert (outcome.left, outcome.closing) == ((), CLOSED)
    assert outcome.changes.removed > 0


def test_who_looks_with_the_code_in_time_need_not_be_told(work, world, path, published):
    placed(world, "Chen", **NO_PHONE)

    outcome = close(work, path)

    assert (outcome.told("call"), outcome.told("door")) == ((), ())


def test_who_can_wait_no_longer_is_told_that_there_is_no_place(
    work, world, path, published, monkeypatch
):
    (id,) = placed(world, "Ana", windows=["sun-eve"])
    failing(monkeypatch, Placing, "wait", TooOld("over before that day"))

    outcome = close(work, path)

    assert outcome.counts == {"none": 1}
    assert opened(world)[id].state == "none"
    assert [it.id for it in outcome.told("call")] == [id]


def test_who_came_since_and_who_cannot_be_opened_are_left(work, world, path, published):
    queue = queue_of(work, path)
    late = world.taken(replace(VISIT, path=""))
    odd = replace(world.taken(replace(VISIT, path="")), opening=str(VISIT))
    for envelope in (late, odd):
        world.store.take(envelope)

    outcome = close(work, path, queue)

    left = {it.id: type(it) for it in outcome.left}
    assert left == {late.id.hex(): Opened, odd.id.hex(): Unopened}
    assert late.id.hex() in queue.changed(outcome.became).items


def test_whom_to_call_is_known_also_when_the_store_goes_away_at_the_end(
    work, world, path, published, monkeypatch
):
    (id,) = placed(world, "Ana")
    queue, down = queue_of(work, path), StoreUnavailable("down")
    monkeypatch.setattr(work, "_still_there", lambda _: (_ for _ in ()).throw(down))

    outcome = close(work, path, queue)

    assert [it.id for it in outcome.told("call")] == [id]
    assert (outcome.stopped, outcome.untried, outcome.left) == (down, 0, None)


@pytest.mark.parametrize(
    "closing", [("nowhere", VISIT.day), ("corona", NOON.date() - timedelta(days=1))]
)
def test_day_that_cannot_be_closed_is_refused_before_anybody_is_asked(work, path, closing):
    with pytest.raises(NoDay):
        work.propose(queue_of(work, path), [], closing)


# --- Entering, and openings ----------------------------------------------------------------------


def test_entered_request_stands_under_its_code(work, world):
    code = codes.new()

    entered = work.enter({**ASKED, "language": ["es"]}, code).entered

    assert (entered.code, entered.language, entered.opening) == (code, "es", None)
    assert entered.look_again == date(2026, 11, 28)
    assert {*opened(world)} == {entered.id.hex()} == {codes.derive(code, "demo").id.hex()}


def test_entering_tries_a_second_time_and_stores_once(work, world, monkeypatch):
    calls = failing(monkeypatch, Placing, "enter", None, after=9)
    put, lost = world.store.put, iter([True, False])

    def loses_its_answer(envelope):
        put(envelope)
        if next(lost):
            raise StoreUnavailable("lost")

    monkeypatch.setattr(world.store, "put", loses_its_answer)
    work.enter(ASKED, codes.new())

    assert (len(calls), len(opened(world))) == (2, 1)


def test_try_that_may_be_kept_stays_so_whatever_the_store_says_next(work, world, monkeypatch):
    put, says = world.store.put, iter([StoreUnavailable("lost"), StoreRefused("no")])

    def fails(envelope):
        put(envelope)
        raise next(says)

    monkeypatch.setattr(world.store, "put", fails)
    monkeypatch.setattr(world.store, "find", lambda *_: None)

    with pytest.raises(Unsure) as raised:
        work.enter(ASKED, codes.new())

    assert (raised.value.opening, raised.value.next) == ("", StoreRefused.next)


def test_publishing_closing_and_reopening_say_what_changed(work, path):
    new = work.publish().changes
    gone = close(work, path).changes
    back = work.reopen(*CLOSED).changes

    assert new.added > gone.removed == back.added > 0


def test_nothing_is_said_of_what_a_work_has_nothing_to_do_with():
    outcome = Outcome()

    assert (outcome.counts, outcome.not_done, outcome.traces) == ({}, (), None)
    assert not outcome.changes and outcome.queue.at is None and outcome.entered.code == ""


# --- Junk ----------------------------------------------------------------------------------------


def junk(world):
    envelope = spoiled(world.taken(VISIT))
    world.store.take(envelope)
    return envelope.id.hex()


def another_computer(world):
    """The work on a computer that was never admitted: it opens nothing."""
    device = another_device(world)
    return Work(world.store, world.city, world.trust, lambda: NOON, device), device


def test_junk_is_erased_and_its_seat_comes_back(work, world, path, published):
    id, (good,) = junk(world), ask(world, "Ana")
    queue = queue_of(work, path)
    left = world.store.seats([VISIT])[VISIT]

    outcome = work.erase_junk(queue, [id])

    assert [it.id for it in queue.junk] == [id]
    assert (outcome.counts, outcome.seats_back) == ({"erase": 1}, 1)
    assert world.store.seats([VISIT])[VISIT] == left + 1 and opened(world).keys() == {good}


def test_good_request_that_only_this_computer_does_not_open_is_not_junk(world, tmp_path):
    (id,) = ask(world, "Ana")
    work, device = another_computer(world)
    keyring.save(tmp_path / "new.keyring", keyring.lock(device))
    queue = queue_of(work, tmp_path / "new.keyring")

    outcome = work.erase_junk(queue, [id])

    assert [it.reason.code for it in queue.shut] == ["early"] and queue.junk == ()
    assert outcome.answered[0].error.code == "may_open" and opened(world).keys() == {id}


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("code", ["foreign", "no_key", "cannot_open"])
def test_half_that_does_not_open_makes_no_junk(world, path, part, code):
    """ "foreign" is also what an envelope of somebody else's making says: it does not tell."""
    (id,) = ask(world, "Ana")
    kid = ceremony.kids_of(world.raw_bundle(WEEK_47), world.trust, "main")[part]
    device, held = world.device, world.store.wrap(kid, world.device.id)
    if code == "no_key":
        seeds = {it: seed for it, seed in device.wrap_seeds.items() if it != WEEK_47}
        device = replace(device, wrap_seeds=seeds)
    else:
        info = keyring.wrap_info(kid, device.id)
        mine = hpke.public_key(device.wrap_seeds[WEEK_47])
        another = hpke.seal_to(mine, info, bytes(32)) if code == "cannot_open" else b"x" * 1168
        world.store.put_wrap(kid, device.id, another, over=held)
    work = Work(world.store, world.city, world.trust, lambda: NOON, device)

    item = work.look(bytes.fromhex(id))

    assert isinstance(item, Unopened) and item.reason.code == code and not item.junk


def test_request_sent_in_two_weeks_is_not_junk(work, world, path):
    code = codes.new()
    for now in (NOON, NOON + WEEK):
        world.store.put(world.sealed(code=code, now=now))

    queue = queue_of(work, path)

    assert [it.reason.code for it in queue.shut] == ["twice"] and queue.junk == ()


def test_envelope_whose_row_is_damaged_is_junk_where_it_can_be_found(work, world, path):
    contact, visit = world.sealed(), world.sealed()
    for envelope, name in ((contact, "contact"), (visit, "visit")):
        world.store.put(envelope)
        with world.store._write() as db:
            db.execute(f"UPDATE requests SET {name}_kid = 'x' WHERE id = ?", (envelope.id,))  # noqa: S608

    queue = queue_of(work, path)

    assert {it.id: it.junk for it in queue.shut} == {contact.id.hex(): True, visit.id.hex(): False}
    assert work.erase_junk(queue, [it.id for it in queue.junk]).counts == {"erase": 1}


def test_put_back_whose_answer_was_lost_takes_no_second_seat(
    work, world, path, published, monkeypatch
):
    junk(world)
    (item,) = queue_of(work, path).junk
    left = world.store.seats([VISIT])[VISIT]
    work.erase([item.envelope])
    take = Sqlite.take

    def lost(*args):
        take(*args)
        raise StoreUnavailable("down")

    monkeypatch.setattr(Sqlite, "take", lost)
    first = work.put_back([item.envelope])
    monkeypatch.undo()
    second = work.put_back([item.envelope])

    assert first.doubtful and second.counts == {"back": 1}
    assert world.store.seats([VISIT])[VISIT] == left


def test_desk_that_holds_the_erased_one_gives_no_seat_back_twice(work, world, published):
    """It was erased, its seat was taken, and it was put back without one."""
    world.store.set_seats({VISIT: 1})
    envelope = spoiled(world.taken(VISIT))
    world.store.take(envelope)
    work.erase([envelope])
    world.store.take(world.taken(VISIT))
    assert work.put_back([envelope]).counts == {"seatless": 1}

    outcome = work.erase([envelope])

    assert isinstance(outcome.answered[0].error, Changed)
    assert world.store.seats([VISIT])[VISIT] == 0


def test_person_who_moved_weeks_is_put_back_waiting_also_where_a_stub_lies(
    work, world, path, published
):
    """Placed in another week, erased, and the seat taken since: in the week in which this person
    now waits lies the stub of the first post."""
    world.store.set_seats({VISIT: 1})
    (id,) = ask(world, "Ana")
    queue = queue_of(work, path)
    placed = work.answer(queue, [(id, VISIT)]).answered[0].now
    work.answer(queue.changed({id: placed}), [(id, Decision.ERASE)])
    world.store.take(world.taken(VISIT))

    outcome = work.put_back([placed.envelope])

    assert outcome.counts == {"seatless": 1} and outcome.answered[0].now.state == "waiting"
    assert opened(world)[id].state == "waiting"
