"""The address that the desk is opened with: it lets in once, and ends what was open before."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from waitress import wasyncore

from quietdesk import local
from quietdesk.staff import words
from quietdesk.staff.console import server
from quietdesk.staff.console.entrance import WORD_MINUTES
from quietdesk.staff.desk.publisher import Publisher
from tests.console.staff import TOKEN, Staff, put
from tests.console.test_session import Held, Tab


def come(console, word):
    """A browser that was started with that word, and what it was answered."""
    token = console.entrance.token
    staff = Staff(console)
    console.entrance.token = token  # which a Staff sets
    staff.base = ""
    answer = staff.get(f"/{word}", follow=False)
    if answer.status == 303:
        staff.base = answer.headers["Location"].removesuffix("/")
    return staff, answer


@pytest.fixture
def told(console):
    """The words that were shown where the desk was started."""
    told = []
    console.entrance.told = told.append
    return told


def test_word_is_exchanged_for_a_token_that_it_does_not_hold(console):
    word = console.entrance.word()

    staff, answer = come(console, word)

    assert answer.status == 303 and word not in answer.headers["Location"]
    assert re.fullmatch(r"/[\w-]{43}/", answer.headers["Location"])
    assert "Passphrase" in staff.get().text


def test_pages_open_again_and_again_after_the_exchange(console, world):
    """As a browser asks that reloads, or goes back."""
    put(world, name=["Marisol"])
    staff, _ = come(console, console.entrance.word())

    staff.unlock()

    assert all("Marisol" in staff.get(path).text for path in ("/", "/", "/look", "/"))


def test_word_lets_in_once_and_who_comes_second_is_told(console, told):
    word = console.entrance.word()
    come(console, word)

    _, answer = come(console, word)

    assert answer.status == 410 and words.SAID["used_address"] in answer.body
    assert word not in answer.body and console.entrance.token not in answer.body
    assert len(told) == 1 and told[0] != word


@pytest.mark.parametrize("minutes", [WORD_MINUTES, WORD_MINUTES + 60])
def test_word_lets_in_within_a_short_time_only(console, clock, told, minutes):
    word = console.entrance.word()
    clock.now += timedelta(minutes=minutes)

    _, answer = come(console, word)

    assert answer.status == 410
    assert come(console, told[0])[1].status == 303


def test_word_lets_in_until_its_time_is_over(console, clock):
    word = console.entrance.word()
    clock.now += timedelta(minutes=WORD_MINUTES) - timedelta(seconds=1)

    assert come(console, word)[1].status == 303


def test_next_word_ends_what_the_one_before_opened(console, world, told):
    """Somebody was faster: they have read the word in the list of processes."""
    put(world, name=["Marisol"])
    word = console.entrance.word()
    faster, _ = come(console, word)
    come(console, word)
    staff, _ = come(console, told[0])
    staff.unlock()

    assert "Marisol" in staff.get().text
    assert faster.get().status == 404
    assert faster.post("/lock").status == 404 and not console.locked


def test_who_comes_in_finds_the_desk_locked(console, world):
    """A second window of the same desk is opened from the first. Another word may be another's."""
    put(world, name=["Marisol"])
    first, _ = come(console, console.entrance.word())
    first.unlock()

    second, _ = come(console, console.entrance.word())

    assert console.locked and "Marisol" not in second.get().text


def test_page_that_is_made_while_somebody_comes_in_shows_no_token_of_theirs(
    console, world, monkeypatch
):
    put(world, name=["Marisol"])
    first, _ = come(console, console.entrance.word())
    first.unlock()
    held = Held(monkeypatch, Publisher, "preview")

    page = Tab(first, "GET", "/openings")
    with held.meanwhile():
        come(console, console.entrance.word())

    answer = page.answer()
    assert answer.status == 404 and console.entrance.token not in answer.body


def test_who_asks_again_and_again_fills_no_screen(console, told):
    word = console.entrance.word()
    come(console, word)

    answers = [come(console, word)[1].status for _ in range(5)]

    assert answers == [410] * 5 and len(told) == 1


def test_word_of_before_lets_nobody_in_when_there_is_a_later_one(console, told):
    words = [console.entrance.word() for _ in range(2)]

    assert come(console, words[0])[1].status == 410
    assert come(console, words[1])[1].status == 303 and told == []


@pytest.mark.parametrize("word", ["", "x", TOKEN, "a" * 43])
def test_what_is_no_word_lets_nobody_in(console, told, word):
    console.entrance.word()

    assert come(console, word)[1].status == 404 and told == []


def test_other_hosts_and_methods_use_no_word(console):
    word = console.entrance.word()
    staff = Staff(console)
    staff.base = ""

    refused = [
        staff.ask("GET", f"/{word}", host="evil.example").status,
        staff.ask("POST", f"/{word}").status,
        staff.ask("HEAD", f"/{word}").status,
    ]

    assert refused == [403, 404, 404]
    assert come(console, word)[1].status == 303


def test_browser_is_started_with_a_word_and_never_with_the_token(console, monkeypatch, capsys):
    started, tokens = [], []

    def serve(served, *_):
        word = urlsplit(started[0]).path.removeprefix("/")
        assert console.entrance.exchange(word)
        tokens.append(console.entrance.token)
        assert not console.entrance.exchange(word) and console.entrance.was_good(word)

        served.task_dispatcher.shutdown()
        wasyncore.close_all(served._map)

    monkeypatch.setattr(server.webbrowser, "open", started.append)
    monkeypatch.setattr(local, "serve", serve)

    server.run(console, open_browser=True)

    said = capsys.readouterr().out
    addresses = re.findall(r"http://127\.0\.0\.1:\d+/[\w-]{43}(?=\n)", said)
    assert addresses[0] == started[0] and len(set(addresses)) == 2
    assert tokens[0] not in said + started[0]
