"""The rules for papers: what a set of papers comes to, in Python and in the page's own script, and
which files of a city are refused."""

import copy
import json
import random
import shutil
import subprocess
from dataclasses import asdict
from itertools import combinations, product

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from quietdesk.errors import BadCity
from quietdesk.pages import Pages
from quietdesk.website import documents
from quietdesk.website.documents_page import PAPER_WORDS
from quietdesk.website.guide import Guide
from tests.examples import examples
from tests.judging import judge
from tests.world import ROOT

FOLDERS = {
    "new-york": ROOT / "site/city",
    "riverton": ROOT / "tests/cities/riverton",
    "lakeside": ROOT / "tests/cities/lakeside",
}
RULES = {name: documents.read(folder / "documents.yml") for name, folder in FOLDERS.items()}
CASES = json.loads((ROOT / "tests/vectors/documents.json").read_text())["cases"]
AGES = (9, 10, 13, 14, 17, 18, 21, 22, 70)


def said(answer):
    """An answer as JSON has it."""
    return json.loads(json.dumps(asdict(answer)))


def by_script(cases):
    """What the page's own evaluator answers, from one process for all cases."""
    told = {"cities": {name: rules.data() for name, rules in RULES.items()}, "cases": cases}
    program = [ROOT / "tests/browser/documents.mjs", ROOT / "site/script"]
    done = subprocess.run(
        ["node", *program], input=json.dumps(told), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def some_people():
    return st.tuples(st.sampled_from(AGES), st.booleans())


def some_papers(name):
    return st.lists(st.sampled_from([*RULES[name].papers]), unique=True, max_size=9)


# --- The cases that both keep --------------------------------------------------------------------


def test_there_are_cases_of_every_model_and_state():
    assert len(CASES) >= 40
    assert len({case["name"] for case in CASES}) == len(CASES)
    assert {RULES[case["city"]].model for case in CASES} == set(documents.MODELS)
    assert {case["expect"]["state"] for case in CASES} == {"enough", "missing", "ask", "young"}


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in CASES])
def test_case(case):
    answer = judge(RULES[case["city"]], case["chosen"], case["age"], case["caretaker"])

    assert said(answer) == case["expect"]


@pytest.mark.process
def test_cases_hold_in_the_script():
    for case, answer in zip(CASES, by_script(CASES), strict=True):
        assert answer == case["expect"], case["name"]


@pytest.mark.process
def test_script_agrees_on_random_sets():
    chance = random.Random(20261123)  # noqa: S311 - which sets are tried is no secret
    cases = []
    for name, rules in RULES.items():
        for _ in range(400):
            cases.append(
                {
                    "city": name,
                    "chosen": chance.sample(
                        [*rules.papers], chance.randint(0, min(12, len(rules.papers)))
                    ),
                    "age": chance.choice(AGES),
                    "caretaker": chance.random() < 0.5,
                }
            )
        cases.append({"city": name, "chosen": [*rules.papers], "age": 40, "caretaker": False})

    answers = by_script(cases)

    for case, answer in zip(cases, answers, strict=True):
        mine = judge(RULES[case["city"]], case["chosen"], case["age"], case["caretaker"])
        assert answer == said(mine), case
    assert {answer["state"] for answer in answers} == {"enough", "missing", "ask", "young"}
    assert any(answer["beside"] for answer in answers)


# --- What always holds ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", RULES)
@examples(150)
@given(data=st.data())
def test_one_more_paper_never_makes_it_worse(name, data):
    chosen, (age, caretaker) = data.draw(some_papers(name)), data.draw(some_people())
    more = data.draw(st.sampled_from([*RULES[name].papers]))
    order = ["young", "missing", "ask", "enough"]

    before = judge(RULES[name], chosen, age, caretaker)
    after = judge(RULES[name], [*chosen, more], age, caretaker)

    assert order.index(after.state) >= order.index(before.state)
    assert sum(after.missing.values()) <= sum(before.missing.values())


def is_enough(rules, chosen, age, caretaker, doubts):
    """The rule as a person would check it: try every choice of papers and of their use."""
    if age <= rules.ages.caretaker_through and not caretaker:
        return False
    waived = caretaker and age <= rules.ages.waiver_through
    yes = (True, None) if doubts else (True,)
    papers = [rules.papers[id] for id in chosen if doubts or not rules.papers[id].doubtful]
    for size in range(len(papers) + 1):
        for used in combinations(papers, size):
            ids = {paper.id for paper in used}
            if any(ids & {*paper.superseded_by} for paper in used):
                continue
            if rules.photo and not waived and not any(paper.photo in yes for paper in used):
                continue
            if rules.dob and not any(paper.dob in yes for paper in used):
                continue
            if rules.once:
                choices = product(*([{need: 1} for need in paper.counts] for paper in used))
            else:
                choices = iter([[paper.counts for paper in used]])
            for counts in choices:
                for way in rules.ways:
                    have = {need: sum(it.get(need, 0) for it in counts) for need in way}
                    if all(have[need] >= least for need, least in way.items()) and (
                        sum(have.values()) >= rules.total
                    ):
                        return True
    return False


@pytest.mark.parametrize("name", RULES)
@examples(150)
@given(data=st.data())
def test_no_other_counting_of_the_same_papers_says_more(name, data):
    rules = RULES[name]
    chosen, (age, caretaker) = data.draw(some_papers(name)), data.draw(some_people())

    answer = judge(rules, chosen, age, caretaker)

    if age < rules.ages.minimum:
        assert answer.state == "young"
    elif is_enough(rules, chosen, age, caretaker, doubts=False):
        assert answer.state == "enough"
    elif is_enough(rules, chosen, age, caretaker, doubts=True):
        assert answer.state == "ask"
    else:
        assert answer.state == "missing"
        assert answer.missing


@pytest.mark.parametrize("name", RULES)
@examples(100)
@given(data=st.data())
def test_what_is_suggested_is_enough_and_as_small_as_can_be(name, data):
    rules = RULES[name]
    chosen, (age, _) = data.draw(some_papers(name)), data.draw(some_people())

    for extra in judge(rules, chosen, age, True).add:
        assert judge(rules, [*chosen, *extra], age, True).state == "enough"
        assert not {*extra} & {*chosen}
        for part in combinations(extra, len(extra) - 1):
            assert judge(rules, [*chosen, *part], age, True).state != "enough"


def test_three_weak_papers_are_worth_more_than_the_strong_one_that_excludes_them():
    rules = documents.parse(
        changed(
            FOLDERS["lakeside"],
            {"identity": {"cards": {"old_passport": {"superseded_by": ["state_id"]},
                                    "passport": {"superseded_by": ["state_id"]}}}},
        )
    )  # fmt: skip

    assert judge(rules, ["passport", "old_passport", "lease"], 30, False).state == "enough"
    answer = judge(rules, ["passport", "old_passport", "lease", "state_id"], 30, False)
    assert answer.state == "enough"
    assert answer.beside == {"state_id": "passport"}


def test_paper_that_the_rules_do_not_have_is_a_mistake():
    with pytest.raises(KeyError):
        judge(RULES["riverton"], ["a_paper_of_next_year"], 30, False)


# --- New York's rules ----------------------------------------------------------------------------


def test_nothing_that_says_something_of_status_or_custody_is_suggested():
    rules = RULES["new-york"]
    closed = {paper.id for paper in rules.papers.values() if paper.group in rules.closed}

    assert {"green_card", "ice_order_of_supervision", "jail_or_prison_id"} <= closed
    assert not closed & {*rules.easy}
    assert not [id for id in rules.easy if rules.papers[id].doubtful]


def test_closed_groups_have_a_heading_that_names_nothing(city):
    rules = RULES["new-york"]
    for group in rules.closed:
        for tag in ("en", "es"):
            title = city.words.get(tag, {}).get(rules.titles[group], rules.titles[group])
            for word in ("immigra", "inmigra", "custod", "prison", "jail", "visa", "status"):
                assert word not in title.lower()


def test_every_paper_of_the_table_is_there_with_its_points():
    rules = RULES["new-york"]

    assert len(rules.papers) == 102
    assert sum("identity" in paper.counts for paper in rules.papers.values()) == 66 + 5
    assert sum(not paper.rated for paper in rules.papers.values()) == 5
    assert sum("residency" in paper.counts for paper in rules.papers.values()) == 41
    assert (rules.papers["care_of_letter"].max_age_days, rules.verified) == (14, False)


# --- What the page is given ----------------------------------------------------------------------


@pytest.fixture(params=RULES)
def guide(request, city, tmp_path):
    """The guide of a city, and its rules."""
    shutil.copy(FOLDERS[request.param] / "documents.yml", tmp_path)
    shutil.copy(ROOT / "site/city/facts.yml", tmp_path)
    return Guide(Pages(city, (b"one",), 1), tmp_path), RULES[request.param]


def test_page_has_the_rules_and_a_row_for_each_paper(guide):
    made, rules = guide
    html = "".join(
        made.markdown(f"{{{{ papers('{part}') }}}}", "es", "x")
        for part in ("start", "identity", "residency", "answer")
    )

    data = html.partition('<template id="rules">')[2].partition("</template>")[0]
    assert json.loads(data) == rules.data()
    for id in rules.papers:
        assert html.count(f'<tr data-paper="{id}">') == 1


def test_page_has_words_for_all_that_can_be_missing(guide):
    made, rules = guide
    html = made.markdown("{{ papers('answer') }}", "en", "x")

    for way in rules.ways:
        for need in (*way, "photo", "dob"):
            assert f'data-word="need {need}"' in html
    for state in ("none", "enough", "missing", "ask", "young"):
        assert f'data-word="{state}"' in html


def test_page_says_the_rule_of_each_model_in_words(guide):
    made, rules = guide
    html = made.markdown("{{ papers('answer') }}", "en", "x")

    rule = {
        "points": "You need 4 points in all: at least 3 for identity and 1 for address.",
        "one_of": "<li>Other papers with your name: 2 + Papers with your address: 1</li>",
        "n_of_lists": "<li>Papers with your name: 2 + Papers with your address: 1</li>",
    }[rules.model]
    assert rule in html
    assert ("Nobody has checked this list" in html) is not rules.verified
    assert ("must have your photo" in html) is rules.photo


def test_page_asks_for_the_ages_that_make_a_difference(guide):
    made, rules = guide
    html = made.markdown("{{ papers('start') }}", "en", "x")

    asked = {
        "points": ["9", "10", "14", "14"],
        "one_of": ["13", "14", "18"],
        "n_of_lists": ["0", "12"],
    }[rules.model]
    assert [part.partition('"')[0] for part in html.split('data-age="')[1:]] == asked
    assert html.count(" checked") == 1


def test_unknown_part_of_the_page_stops_the_build(guide):
    with pytest.raises(BadCity, match="no part 'middle'"):
        guide[0].markdown("{{ papers('middle') }}", "en", "x")


def test_no_text_promises_a_card():
    for text in PAPER_WORDS.values():
        for promise in ("you will get", "is enough", "you qualify", "approved"):
            assert promise not in text.lower()


# --- Files that are refused ----------------------------------------------------------------------


def changed(folder, changes):
    """The file of a city with some values changed; None takes a value out."""

    def put(values, changes):
        for key, value in changes.items():
            if isinstance(value, dict) and isinstance(values.get(key), dict):
                put(values[key], value)
            elif value is REMOVED:
                del values[key]
            else:
                values[key] = value

    data = yaml.safe_load((folder / "documents.yml").read_text())
    put(data, copy.deepcopy(changes))
    return data


class _Removed:
    def __deepcopy__(self, memo):
        return self


REMOVED = _Removed()


def paper(**values):
    return {"identity": {"us_passport": {"us_passport": values}}}


REFUSED = [
    ({"model": "guess"}, "model must be one of points, one_of, n_of_lists"),
    ({"modle": "points"}, "nothing is called modle"),
    ({"verified": True}, "verified must be null"),
    ({"verified": {"by": "x"}}, "verified: day, source must be there"),
    ({"lists": {"a": "A"}}, "lists are not for the model points"),
    ({"needs": {"identity_points": "3"}}, "identity_points must be a whole number"),
    ({"needs": {"total_points": 3}}, "total_points must not be less than its two parts"),
    ({"needs": {"photo_document": "yes"}}, "photo_document must be true or false"),
    ({"needs": {"dob_document": REMOVED}}, "dob_document must be there"),
    ({"ages": {"minimum": -1}}, "minimum must be a whole number from 0"),
    ({"ages": {"caretaker_required_through": 8}}, "caretaker_required_through must be"),
    ({"ages": {"photo_waiver": {"through_age": 12}}}, "photo_waiver: through_age must be"),
    ({"ages": {"photo_waiver": {"requires": []}}}, "photo_waiver: requires must be"),
    ({"titles": {"bills": REMOVED}}, "titles must have each group once, and no other: bills"),
    ({"titles": {"Bills": "Bills"}}, "titles: Bills: the name must be text like"),
    ({"closed": ["nowhere"]}, "closed names groups that are not there: nowhere"),
    ({"expired_allowed": ["nothing"]}, "expired_allowed names papers that are not there: nothing"),
    ({"easy": ["nothing"]}, "easy names papers that are not there: nothing"),
    ({"easy": ["lease", "lease"]}, "easy must be a list of different papers"),
    ({"easy": ["lease", "green_card"]}, "green_card must not be doubtful, nor in a closed group"),
    ({"easy": ["lease", "syep_form"]}, "syep_form must not be doubtful"),
    ({"easy": ["lease"]}, "all together are not enough: identity, photo, dob"),
    (paper(id=0), "us_passport: us_passport: id must be a whole number from 1 to 99"),
    (paper(id=REMOVED), "id must be a number of points, or null"),
    (paper(id=True), "id must be a whole number"),
    (paper(res=1.5), "res must be a whole number"),
    (paper(lists=["a"]), "lists are not for the model points"),
    (paper(photo="maybe"), "photo must be true, false or unknown"),
    (paper(dob=REMOVED), "dob must be true, false or unknown"),
    (paper(label=" "), "label must be text"),
    (paper(max_age_days=0), "max_age_days must be a whole number"),
    (paper(until=3), "until must be text"),
    (paper(confidence="high"), "confidence must be one of medium, low, unknown"),
    (paper(show="never"), "show must be one of ask_staff, collapsed"),
    (paper(superseded_by=["nothing"]), "superseded_by names papers that are not there: nothing"),
    (paper(superseded_by="us_passport_expired_3y"), "superseded_by must be a list"),
    (paper(superseded_by=["us_passport"]), "must not lead back to the paper itself"),
    (paper(superseded_by=["us_passport_expired_3y"]), "must not lead back to the paper itself"),
    (paper(supersedes=["lease"]), "nothing is called supersedes"),
    (
        {"residency": {"home": {"us_passport": {"res": 1, "label": "x"}}}},
        "residency: home: us_passport: there is another paper of this name",
    ),
    (
        {"identity": {"us_passport": {"U.S. passport": {"id": 3}}}},
        "the name must be text like",
    ),
    ({"identity": {"us_passport": None}}, "us_passport must be a mapping"),
    ({"residency": []}, "residency must be a mapping"),
]


@pytest.mark.parametrize(("changes", "problem"), REFUSED, ids=[problem for _, problem in REFUSED])
def test_points_file_with_a_mistake_is_refused(changes, problem):
    with pytest.raises(BadCity) as refused:
        documents.parse(changed(FOLDERS["new-york"], changes))

    assert str(refused.value).startswith("documents.yml: ")
    assert problem in str(refused.value)


REFUSED_LISTS = [
    ({"needs": {"one_of": []}}, "one_of must be a list of sets"),
    ({"needs": {"one_of": [{}]}}, "one_of must map lists to numbers"),
    ({"needs": {"one_of": [{"gold": 1}]}}, "one_of names lists that are not there: gold"),
    ({"needs": {"one_of": [{"strong": 0, "address": 1}]}}, "strong must be a whole number"),
    ({"needs": {"one_of": [{"strong": 1, "address": 1}]}}, "nothing needs weak"),
    ({"needs": {"paper_counts": "twice"}}, "paper_counts must be one of once, in_each_list"),
    ({"needs": {"total_points": 3}}, "nothing is called total_points"),
    ({"lists": {"weak": ""}}, "lists: weak must be text"),
    ({"identity": {"cards": {"passport": {"lists": ["gold"]}}}}, "lists that are not there: gold"),
    ({"identity": {"cards": {"passport": {"lists": []}}}}, "lists must name a list"),
    ({"identity": {"cards": {"passport": {"id": 3}}}}, "id and res are for the model points"),
]


@pytest.mark.parametrize(
    ("changes", "problem"), REFUSED_LISTS, ids=[problem for _, problem in REFUSED_LISTS]
)
def test_file_of_lists_with_a_mistake_is_refused(changes, problem):
    with pytest.raises(BadCity) as refused:
        documents.parse(changed(FOLDERS["riverton"], changes))

    assert problem in str(refused.value)


def test_same_paper_twice_in_one_group_is_refused(tmp_path):
    text = (FOLDERS["lakeside"] / "documents.yml").read_text()
    row = '    lease:             {lists: [address], label: "Lease"}\n'
    assert row in text
    file = tmp_path / "documents.yml"
    file.write_text(text.replace(row, row + row))

    with pytest.raises(BadCity, match="lease is there twice"):
        documents.read(file)
