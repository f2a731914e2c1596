"""The English texts that want translating, and the .po files that hold their translations.

English text is the key of every translation. The texts are found where they are used: in the
templates, in what modules give to `words`, in their tables, and in the city profile. `make words`
brings every .po file up to date with them and changes nothing else in it.
"""

import ast
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import PoFileError, read_po, write_po
from jinja2 import Environment
from jinja2.ext import extract_from_ast

import quietdesk
from quietdesk import errors
from quietdesk.errors import BadCity, QuietdeskError
from quietdesk.pages import english
from quietdesk.website import documents, documents_page, guide, outreach
from quietdesk.website.checked import read_yaml

PACKAGE = Path(quietdesk.__file__).parent
NOTE = "translation-note"  # says that nobody has reviewed; every language but English has it
_CALLED = ("words", "_words")
# Flags that Babel adds by itself, and that say nothing here: one check covers every text.
_NOISE = {"python-format", "python-brace-format"}
_TABLES = (
    english.QUESTIONS, english.NOTICES, english.STATES, english.SCRIPT_WORDS, english.NOTHING,
    english.PARTS, guide.ACCESS, documents_page.PAPER_WORDS, outreach.KINDS,
)  # fmt: skip
_NESTED = (*english.PROBLEMS.values(), *english.CHOICES.values())
# By name only: nothing outside the desk imports it.
_DESK_TABLES = ("LANES", "OTHERS", "REACH_BY", "SAID", "STATES")


def of_site() -> list[str]:
    """What residents can read, whatever the city, in the order in which it is found."""
    found = [
        *_of_templates(PACKAGE / "templates"),
        *(title for _, title in (*english.MENU, *english.MORE)),
    ]
    for path in sorted(PACKAGE.rglob("*.py")):
        if PACKAGE / "staff" not in path.parents:
            found += _of_module(path)
    found += (text for table in (*_TABLES, *_NESTED) for text in table.values())
    found += (*english.NOT_FOUND, *english.BROKEN, english.CONFIRM, documents_page.NEED_LIST)
    found += (text for text in english.NOTES.values() if text != NOTE)
    return _once(found)


def of_desk() -> list[str]:
    """What only staff can read."""
    staff = PACKAGE / "staff"
    found = [*_of_templates(staff / "console/templates"), *_of_tables(staff / "words.py")]
    for path in sorted(staff.rglob("*.py")):
        found += _of_module(path)
    said = _keys_of(staff / "words.py", "SAID")
    kinds = [it for it in vars(errors).values() if isinstance(it, type)]
    found += [it.next for it in kinds if issubclass(it, QuietdeskError) and it.code in said]
    residents = set(of_site())
    return [text for text in _once(found) if text and text not in residents]


def of_city(folder: Path) -> list[str]:
    """What residents read of the city profile: its name and the names of papers."""
    found = [read_yaml(folder / "programme.yml")["name"]]
    found += documents.read(folder / "documents.yml").texts()
    return _once(found)


def catalog(path: Path) -> dict[str, str]:
    """A .po file as English text to translation, "" where there is none. Raises BadCity."""
    return {str(it.id): str(it.string) for it in _messages(path.read_bytes(), path) if it.id}


def comments(path: Path) -> dict[str, tuple[str, ...]]:
    """The comments above each text of a .po file."""
    messages = _messages(path.read_bytes(), path)
    return {str(it.id): tuple(it.user_comments) for it in messages if it.id}


def update(path: Path, texts: Sequence[str], title: str) -> bool:
    """Brings a .po file up to date: texts that are new come last and empty, texts that are gone are
    dropped; all else stays as it was. Makes the file if there is none, for the language `title`.
    Tells whether anything changed."""
    before = path.read_bytes() if path.exists() else _header(path.stem, title)
    wanted, fresh = dict.fromkeys(texts), Catalog()
    for message in _messages(before, path):
        if message.id in wanted:
            del wanted[str(message.id)]
            _add(fresh, message)
    for text in wanted:
        _add(fresh, Message(text, ""))
    written = BytesIO()
    write_po(written, fresh, width=0, omit_header=True)
    # The header as somebody wrote it: Babel would put dates and its own name there.
    header = before.partition(b"\n\n")[0].rstrip(b"\n") + b"\n\n"
    after = header + written.getvalue().strip(b"\n") + b"\n"
    if not path.exists() or after != before:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(after)
        return True
    return False


def _add(catalog: Catalog, message: Message) -> None:
    message.flags -= _NOISE
    catalog[message.id] = message
    catalog[message.id].flags -= _NOISE


def _messages(data: bytes, path: Path) -> Iterator[Message]:
    try:
        return iter([it for it in read_po(BytesIO(data), abort_invalid=True) if it.id])
    except PoFileError as error:
        raise BadCity(f"{path.name} is not a .po file: {error}") from None


def _header(tag: str, title: str) -> bytes:
    return (
        f'# {title}. Nobody qualified has reviewed it yet: "{NOTE}" says so on the pages.\n'
        f'# When somebody has, empty the text of "{NOTE}".\n'
        f'msgid ""\nmsgstr ""\n'
        f'"Content-Type: text/plain; charset=UTF-8\\n"\n"Language: {tag}\\n"\n\n'
    ).encode()


def _of_templates(folder: Path) -> Iterator[str]:
    env = Environment(autoescape=True)
    for path in sorted(folder.glob("*.html")):
        parsed = env.parse(path.read_text("utf-8"))
        for _, _, text in extract_from_ast(parsed, ("_", "say")):
            text = text[0] if isinstance(text, tuple) else text  # a tuple has values after it
            if text is not None:  # a name, whose text is in one of the tables
                yield text


def _of_module(path: Path) -> Iterator[str]:
    """What a module gives to `words` literally."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
            if name in _CALLED and isinstance(node.args[0].value, str):
                yield node.args[0].value


def _of_tables(path: Path) -> Iterator[str]:
    """The texts in the values of a module's tables, which are _DESK_TABLES."""
    for table in _tables(path, _DESK_TABLES):
        for part in (part for value in table.values for part in ast.walk(value)):
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value


def _keys_of(path: Path, name: str) -> set[str]:
    """The keys of a module's table."""
    keys = [key for table in _tables(path, (name,)) for key in table.keys]
    return {str(key.value) for key in keys if isinstance(key, ast.Constant)}


def _tables(path: Path, names: Sequence[str]) -> Iterator[ast.Dict]:
    for node in ast.parse(path.read_text("utf-8")).body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if getattr(target, "id", "") in names and isinstance(node.value, ast.Dict):
            yield node.value


def _once(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))
