import pytest

from quietdesk import hpke
from quietdesk.errors import CannotOpen
from quietdesk.hpke import Kid


@pytest.mark.parametrize(
    "text",
    [
        "main.visit.2026-W47", "main.name.2026-W47.7f3a91c2", "Main.visit.2026-W47.7f3a91c2",
        "main.visit.2026-W60.7f3a91c2", "main.visit.2026-W47.7f3a91c",
        "main.visit.2026-W47.7F3A91C2", "main.visit.2026-W47.7f3a91c2\n", None, 5,
    ],
)  # fmt: skip
def test_what_is_not_the_name_of_a_key_is_refused(text):
    with pytest.raises(ValueError):
        Kid.parse(text)


def test_seed_needs_both_halves_and_the_name():
    kid, other = "main.visit.2026-W47.7f3a91c2", "main.visit.2026-W47.7f3a91c3"
    one, two = bytes([1] * 32), bytes([2] * 32)

    seeds = {hpke.seed(one, two, kid), hpke.seed(two, one, kid), hpke.seed(one, two, other)}

    assert len(seeds) == 3


def test_public_key_has_1216_bytes():
    assert len(hpke.public_key(bytes(32))) == 1216


def test_sealed_bytes_open_only_with_their_key_and_info():
    sealed = hpke.seal_to(hpke.public_key(bytes(32)), b"info", b"text")

    assert hpke.PrivateKey(bytes(32)).open(b"info", sealed) == b"text"
    for seed, info, data in (
        (bytes([1] * 32), b"info", sealed),
        (bytes(32), b"other", sealed),
        (bytes(32), b"info", sealed[:-1]),
        (bytes(32), b"info", b""),
    ):
        with pytest.raises(CannotOpen):
            hpke.PrivateKey(seed).open(info, data)
