"""The process that dies at each write dies there, and is a process of its own."""

import os
from contextlib import closing
from functools import partial
from itertools import count

import pytest

from quietdesk.hpke import Kid
from quietdesk.store import open_store
from tests.killed import Moment, kill, killed_at_each, writes_of
from tests.rows import WEEK

pytestmark = pytest.mark.process


def two_documents(spec):
    with closing(open_store(spec)) as store:
        store.publish("first", b"1", 0)
        store.publish("second", b"2", 0)


def documents(spec):
    with closing(open_store(spec)) as store:
        return [store.read(name) is not None for name in ("first", "second")]


def opening(spec):
    open_store(spec).close()


def destroying(spec):
    with closing(open_store(spec)) as store:
        store.destroy_keys("main", WEEK)


def two_files(folder, _):
    for text in ("old", "new"):
        (folder / "beside").write_text(text)
        (folder / "beside").replace(folder / "file")


def failing(_):
    raise RuntimeError("not found")


def leaving(_):
    os._exit(3)


@pytest.fixture
def fresh(tmp_path):
    numbers = count()

    def one():
        spec = f"sqlite:{tmp_path / f'{next(numbers)}.db'}"
        open_store(spec).close()
        return spec

    return one


def test_each_write_is_done_or_not_as_the_moment_says(fresh):
    seen = [(str(moment), documents(spec)) for spec, moment in killed_at_each(fresh, two_documents)]

    assert seen == [
        ("before write 1, COMMIT", [False, False]),
        ("after write 1, COMMIT", [True, False]),
        ("before write 2, COMMIT", [True, False]),
        ("after write 2, COMMIT", [True, True]),
    ]


def test_making_a_store_is_a_write_and_opening_it_again_is_none(tmp_path):
    spec = f"sqlite:{tmp_path / 'requests.db'}"

    assert [str(it) for it in writes_of(spec, opening)] == [
        "before write 1, COMMIT",
        "after write 1, COMMIT",
    ]
    assert writes_of(spec, opening) == []


def test_checkpoint_is_a_write(fresh):
    spec = fresh()
    with closing(open_store(spec)) as store:
        store.put_keys(Kid("main", "visit", WEEK, "00000001"), bytes(32), {})

    whats = [moment.what for moment in writes_of(spec, destroying) if moment.after]
    assert whats == ["COMMIT", "checkpoint"]
    assert writes_of(spec, destroying) == [], "nor is one where nothing was left to write"


def test_file_that_is_put_in_the_place_of_another_is_a_write(tmp_path):
    work = partial(two_files, tmp_path)

    moments = writes_of("", work)
    assert [moment.what for moment in moments] == ["file"] * 4
    kill("", work, moments[1])

    assert (tmp_path / "file").read_text() == "old"
    assert not (tmp_path / "beside").exists()


@pytest.mark.parametrize("store_spec", ["moto", "ministack"], indirect=True)
def test_call_that_writes_to_dynamodb_is_a_write(store_spec):
    moments = [Moment(n, "PutItem", after) for n in (1, 2) for after in (False, True)]

    kill(store_spec, two_documents, moments[1])
    assert documents(store_spec) == [True, False]
    with closing(open_store(store_spec)) as store:
        store.publish("first", b"1", 1)

    with pytest.raises(AssertionError, match="Conflict"):
        writes_of(store_spec, two_documents)


@pytest.mark.parametrize(
    ("work", "said"),
    [(failing, "RuntimeError: not found"), (leaving, "the work ended with 3")],
)
def test_work_that_fails_or_ends_by_itself_was_not_killed(fresh, work, said):
    for end in (writes_of, partial(kill, moment=Moment(1, "COMMIT", False))):
        with pytest.raises(AssertionError, match=said):
            end(fresh(), work)


def test_moment_that_never_comes_is_said(fresh):
    with pytest.raises(AssertionError, match="it has no after write 9, COMMIT"):
        kill(fresh(), two_documents, Moment(9, "COMMIT", True))
