"""Where somebody is in the queue stays so whatever they do, and no page is the answer to a form."""

import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from quietdesk.errors import StoreUnavailable
from quietdesk.staff.console.routes import LINES
from tests.console.staff import (
    TYPED,
    Failing,
    Staff,
    made,
    opened,
    put,
    unlocked,
)
from tests.world import PASSPHRASE

SPOT = "language=ht&page=2"


@pytest.fixture
def crowded(staff, world, publish):
    """Three pages of requests in Haitian Creole beside others, the desk unlocked."""
    publish()
    for number in range(110):
        put(world, name=[f"H{number}"], language=["ht"], windows=["any"])
    put(world, name=["Other"])
    staff.unlock()
    return staff


def ids_on(page):
    return re.findall(r'name="id" value="([0-9a-f]+)"', page.body)


def back_from(page):
    """Where a page's link back to the queue leads."""
    links = re.findall(r'<a href="([^"]*)"[^>]*>([^<]*)</a>', page.body)
    return next(unescape(to) for to, text in links if text in ("Back to the queue", "No, go back"))


def spot_of(address):
    """The spot in an address."""
    query = parse_qs(urlsplit(address).query)
    return {name: query[name][0] for name in ("language", "page") if name in query}


def actions(page):
    """Every address that a page's forms are sent to."""
    found = re.findall(r'(?:form)?action="([^"]*)"', page.body)
    return [unescape(it) for it in found if not it.endswith("/lock")]


ACTS = {
    "look": lambda staff, ids: staff.post(f"/request?{SPOT}", one=ids[2]),
    "look with contact": lambda staff, ids: staff.post(f"/contact?{SPOT}", one=ids[2]),
    "keep waiting": lambda staff, ids: staff.post(f"/answer?{SPOT}", id=ids[2:4], do="wait"),
    "ask before erasing": lambda staff, ids: staff.post(f"/answer?{SPOT}", id=ids[2], do="erase"),
    "erase": lambda staff, ids: sure(staff, staff.post(f"/answer?{SPOT}", id=ids[2:4], do="erase")),
    "propose": lambda staff, ids: staff.post(f"/propose?{SPOT}", id=ids[2:4]),
    "accept": lambda staff, ids: sure(staff, staff.post(f"/propose?{SPOT}", id=ids[2:4])),
}


def sure(staff, page):
    """Send the form of a question or of proposals, as it is."""
    action = next(it for it in actions(page) if re.search("/(sure|accept)", it))
    number = page.fields("number")[0]
    return staff.post(action.removeprefix(staff.base), number=number)


@pytest.mark.parametrize("act", ACTS)
def test_filter_page_and_row_are_kept(crowded, act):
    ids = ids_on(crowded.get(f"/?{SPOT}"))

    page = ACTS[act](crowded, ids)

    back = back_from(page)
    assert spot_of(back) == {"language": "ht", "page": "2"}
    assert urlsplit(back).fragment == "row-3"
    queue = crowded.get(back.partition("#")[0].removeprefix(crowded.base))
    assert 'id="row-3"' in queue.body and "Other" not in queue.text
    assert '<option value="ht" selected' in queue.body


def test_queue_that_is_fetched_anew_is_shown_where_one_was(crowded, world):
    page = crowded.post(f"/pull?{SPOT}")

    assert "51 to 100 of 110" in page.text and "Other" not in page.text


@pytest.mark.parametrize("path", ["/answer", "/propose"])
def test_nothing_ticked_is_said_where_one_was(crowded, path):
    page = crowded.post(f"{path}?{SPOT}", do="none")

    assert "No request was chosen" in page.text and "51 to 100 of 110" in page.text
    assert "No request was chosen" not in crowded.get(f"/?{SPOT}").text


def test_every_form_and_link_of_the_queue_and_of_a_request_has_the_spot(crowded):
    queue = crowded.get(f"/?{SPOT}")
    request = crowded.post(f"/request?{SPOT}", one=ids_on(queue)[0])

    for page in (queue, request):
        posted = [it for it in actions(page) if it != f"{crowded.base}/"]
        assert posted and all(spot_of(it) == {"language": "ht", "page": "2"} for it in posted)
        nav = re.search(r'<nav aria-label="Pages">.*?</nav>', page.body, re.DOTALL)[0]
        links = [unescape(it) for it in re.findall('href="([^"]*)"', nav)]
        assert len(links) == 4 and all(spot_of(it)["language"] == "ht" for it in links)


def test_spot_survives_entering_somebody_and_the_lock(crowded):
    slip = crowded.post(f"/enter?{SPOT}", **TYPED)
    assert any(spot_of(unescape(it)) for it in re.findall('href="([^"]*/enter[^"]*)"', slip.body))
    crowded.post("/lock")

    locked = crowded.get(f"/look?{SPOT}")
    (unlock,) = actions(locked)
    page = crowded.post(unlock.removeprefix(crowded.base), passphrase=PASSPHRASE)

    assert "51 to 100 of 110" in page.text


def test_what_went_wrong_leads_back_to_where_one_was(world, tmp_path, clock, publish):
    publish()
    failing = Failing(world.store, "", StoreUnavailable("down"))
    (console,) = [next(made(world, tmp_path, clock, failing))]
    staff = Staff(console)
    id = put(world, language=["ht"])
    staff.unlock()
    failing.__dict__["method"] = "read"

    page = staff.post(f"/propose?{SPOT}", id=id)

    assert page.status == 409 and "The store does not answer" in page.text
    assert spot_of(back_from(page)) == {"language": "ht", "page": "2"}
    assert "does not answer" in staff.get("/problem").text  # as a browser asks that reloads
    failing.__dict__["method"] = ""
    staff.get("/")
    assert "does not answer" not in staff.get("/problem").text
    console.close()


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/publish", {}),
        ("/publish", {"taking": "on"}),
        ("/publish", {"taking": "off"}),
        ("/publish", {"taking": "off", "sure": "yes"}),
        ("/reopen", {"center": "corona", "day": "nonsense"}),
        ("/closing", {"center": "nowhere", "day": "2026-11-23"}),
    ],
)
def test_week_of_the_openings_is_kept(staff, publish, path, form):
    publish()
    staff.unlock()

    answer = staff.post(f"{path}?week=2026-W49", follow=False, **form)

    assert parse_qs(urlsplit(answer.headers["Location"]).query) == {"week": ["2026-W49"]}


def test_no_page_is_the_answer_to_a_form(staff, world, publish, loud):
    """Whatever is sent: else Back and reload ask whether to send it again."""
    publish()
    forms = [{}, {"number": "1", "one": "x", "id": "x", "do": "none", "center": "corona"}]
    forms += [{"id": put(world), "do": do, "form": "f"} for do in ("wait", "none", "erase", "odd")]
    posts = [line.path for line in LINES if line.method == "POST" and line.path != "/touch"]

    for locked in (False, True):
        staff.unlock()
        if locked:
            staff.post("/lock")
        for path in [*posts, "/unlock", "/lock"]:
            for form in forms:
                answer = staff.post(path, follow=False, **form)
                staff.wait()
                assert (path, answer.status, answer.body) == (path, 303, "")
                if path == "/lock" and not locked:
                    staff.unlock()
    loud.clear()


def test_every_page_of_a_morning_can_be_gone_back_to(crowded, world):
    """Each address is asked for again, as Back and reload do; nothing is done a second time."""
    asked, ask = [], crowded.ask

    def remember(method, path, *more, **options):
        if method == "GET":
            asked.append(path)
        return ask(method, path, *more, **options)

    crowded.ask = remember
    ids = ids_on(crowded.get(f"/?{SPOT}"))
    for act in ACTS.values():
        act(crowded, ids)
        ids = ids[4:]
    crowded.post("/enter", **TYPED)
    crowded.post("/publish", taking="off")
    crowded.get("/openings?week=2026-W49")
    crowded.ask = ask
    before = {id: it.envelope.rev for id, it in opened(world).items()}

    went = {path: crowded.get(path, follow=False).status for path in dict.fromkeys(asked)}

    assert len(went) > 10 and set(went.values()) <= {200, 303}
    assert {id: it.envelope.rev for id, it in opened(world).items()} == before
    looked = [path for path in went if path.startswith("/request?")]
    assert looked and all(went[path] == 200 for path in looked)


def test_request_that_was_looked_at_is_gone_back_to_by_a_number_alone(crowded):
    ids = ids_on(crowded.get(f"/?{SPOT}"))

    answers = [crowded.post("/request", follow=False, one=id) for id in ids[:3]]

    addresses = [answer.headers["Location"].removeprefix(crowded.base) for answer in answers]
    assert len(set(addresses)) == 3
    for id, address in zip(ids, addresses, strict=False):
        assert id[:8] not in address and id[:8] in crowded.get(address).text


def test_only_so_many_looks_are_kept(crowded):
    (id, *_) = ids_on(crowded.get("/"))
    for _ in range(205):
        crowded.post("/request", follow=False, one=id)

    assert len(unlocked(crowded).peek().looks) == 200


@pytest.mark.parametrize("n", ["", "0", "x", "999", "-1", "9" * 4000])
@pytest.mark.parametrize("path", ["/request", "/sure", "/plan"])
def test_number_of_nothing_leads_to_the_queue_where_one_was(crowded, path, n):
    page = crowded.get(f"{path}?n={n}&{SPOT}")

    assert page.status == 200 and "51 to 100 of 110" in page.text


# --- What asks first -----------------------------------------------------------------------------


@pytest.mark.parametrize("form", [{"all": "1", "state": "waiting", "language": "ht"}, {"id": 3}])
@pytest.mark.parametrize(("do", "said"), [("none", "answer with “no place”"), ("erase", "erase")])
def test_refusing_or_erasing_several_asks_once_with_the_number(crowded, world, form, do, said):
    if form == {"id": 3}:
        form = {"id": ids_on(crowded.get("/?language=ht"))[:3]}
    count = 110 if "all" in form else 3

    page = crowded.post("/answer", do=do, **form)

    assert f"Requests to {said}: {count}." in page.text
    assert {it.state for it in opened(world).values()} == {"waiting"}
    done = sure(crowded, page)
    assert "Are you sure?" not in done.text
    crowded.wait()
    left = opened(world).values()
    assert sum(it.state == "waiting" for it in left) == 111 - count


def test_refusing_one_who_has_no_place_asks_nothing(staff, world):
    id = put(world)
    staff.unlock()

    assert "no place: 1" in staff.post("/answer", id=id, do="none").text


def test_keeping_several_waiting_asks_nothing(staff, world):
    ids = [put(world) for _ in range(3)]
    staff.unlock()

    assert "Kept waiting: 3" in staff.post("/answer", id=ids, do="wait").text
