import pytest

from quietdesk.wire import b64, unb64


@pytest.mark.parametrize("text", ["AA==", "A", "A-", "AB", "A A", "é", 5, None])
def test_base64_has_one_spelling(text):
    with pytest.raises(ValueError):
        unb64(text)


def test_base64_of_another_length_is_refused():
    with pytest.raises(ValueError):
        unb64(b64(b"12345"), 4)
