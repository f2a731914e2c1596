import random

import pytest

from quietdesk import codes
from quietdesk.errors import BadCode


def test_code_has_four_groups_of_four_from_the_crockford_alphabet():
    made = codes.new()

    groups = made.split("-")
    assert [len(group) for group in groups] == [4, 4, 4, 4]
    assert set("".join(groups)) <= set(codes.ALPHABET)


def test_no_two_codes_are_alike():
    assert len({codes.new() for _ in range(500)}) == 500


def test_no_code_comes_again_for_who_knows_where_its_numbers_began():
    """As with numbers that only look random: who sees a few draws the others too."""
    drawn = []
    for _ in range(2):
        random.seed(1)
        drawn.append(codes.new())

    assert drawn[0] != drawn[1]


def test_each_of_the_80_bits_of_a_code_is_drawn():
    """A code with fewer could be guessed."""
    always, ever = 2**80 - 1, 0
    for _ in range(200):
        number = 0
        for letter in codes.new().replace("-", ""):
            number = number << 5 | codes.ALPHABET.index(letter)
        always, ever = always & number, ever | number

    assert (always, ever) == (0, 2**80 - 1)


@pytest.mark.parametrize(
    "typed",
    [
        "7k3m-9qxt-2b6h-w3zd",
        "7K3M9QXT2B6HW3ZD",
        "  7K3M 9QXT 2B6H W3ZD\n",
        "7K3M-9QXT 2B6H-W3ZD",
    ],
)
def test_code_is_read_however_a_person_types_it(typed):
    assert codes.parse(typed) == "7K3M-9QXT-2B6H-W3ZD"


def test_letters_that_look_like_digits_are_read_as_digits():
    assert codes.parse("O0oI-1iLl-0000-1111") == "0001-1111-0000-1111"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "7K3M-9QXT-2B6H-W3Z",
        "7K3M-9QXT-2B6H-W3ZDD",
        "7K3M-9QXT-2B6H-W3ZU",
        "৭K3M-9QXT-2B6H-W3ZD",
    ],
)
def test_anything_else_is_refused(typed):
    with pytest.raises(BadCode):
        codes.parse(typed)


def test_secrets_depend_on_the_code_and_the_deployment():
    one = codes.derive("7K3M-9QXT-2B6H-W3ZD", "demo")

    assert one == codes.derive("7k3m9qxt2b6hw3zd", "demo")
    assert one != codes.derive("7K3M-9QXT-2B6H-W3ZE", "demo")
    assert one != codes.derive("7K3M-9QXT-2B6H-W3ZD", "elsewhere")
    assert (len(one.id), len(one.auth), len(one.reply)) == (16, 32, 32)


def test_secrets_do_not_show_in_a_log_line():
    secrets = codes.derive("7K3M-9QXT-2B6H-W3ZD", "demo")

    assert f"{secrets} {secrets!r}" == "<Secrets> <Secrets>"
