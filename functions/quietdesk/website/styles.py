"""The one style sheet of the theme's pages, without the rules that no page uses.

The theme's sheet is made for every page anybody could write; ours uses a few of its classes. A rule
is dropped when its selector names a class, an id, an attribute or an element that occurs nowhere:
not in the built pages that load the sheet, and not in a text of the browser scripts, which may add
it later. So is a variable that nothing left asks for. Rules inside @media and @supports are looked
at one by one; print, direction and colour scheme stay as they are. Our own sheet follows in the
same file: a request less, which on a slow phone is a second.
"""

import re
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import tinycss2

_SHEETS = "assets/stylesheets/*.css"  # the theme's
_OURS = "assets/look.css"
_INSIDE = ("media", "supports")


def slim(site: Path, scripts: Path) -> None:
    """Rewrites the theme's style sheets in a built site, with ours behind them. `scripts` is the
    folder of the sources of the scripts that those pages load, or may load one day."""
    later = {word for path in scripts.glob("*.js") for word in _words(path.read_text("utf-8"))}
    pages = [path.read_text("utf-8") for path in site.rglob("*.html")]
    for sheet in site.glob(_SHEETS):
        names = Names(later)
        for page in pages:
            if sheet.name in page:
                names.feed(page)
        both = sheet.read_text("utf-8") + (site / _OURS).read_text("utf-8")
        sheet.write_text(needed(both, names.found), "utf-8")


class Names(HTMLParser):
    """The names by which a selector could find something on the pages fed to it."""

    def __init__(self, found: Iterable[str] = ()):
        super().__init__()
        self.found = {"html", "head", "body", *found}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        for name, value in attrs:
            self.found.add(name)
            if name in ("class", "id"):
                self.found.update((value or "").split())


def needed(css: str, names: set[str]) -> str:
    """The rules of a style sheet that could apply where only these names occur."""
    before = ""
    while css != before:  # a variable may have been asked for by another one only
        before = css
        rules = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
        css = _needed(rules, names, css)
    return css


def _needed(rules: Iterable[Any], names: set[str], css: str) -> str:
    kept = []
    for rule in rules:
        if rule.type == "qualified-rule":
            selectors, content = _possible(rule.prelude, names), _declared(rule.content, css)
            if selectors and content:
                kept.append(f"{selectors}{{{content}}}")
        elif rule.type == "at-rule" and rule.lower_at_keyword in _INSIDE and rule.content:
            inside = tinycss2.parse_rule_list(
                rule.content, skip_comments=True, skip_whitespace=True
            )
            if text := _needed(inside, names, css):
                what = tinycss2.serialize(rule.prelude).strip()
                kept.append(f"@{rule.lower_at_keyword} {what}{{{text}}}")
        elif not _is_idle_animation(rule, css):
            kept.append(rule.serialize())
    return "".join(kept)


def _declared(content: list[Any], css: str) -> str:
    """The declarations of a rule, without variables that nothing in the sheet asks for."""
    declarations = tinycss2.parse_blocks_contents(content, skip_comments=True, skip_whitespace=True)
    return ";".join(
        it.serialize().rstrip(";")
        for it in declarations
        if it.type != "declaration"
        or not it.name.startswith("--")
        or re.search(rf"var\(\s*{re.escape(it.name)}\b(?!-)", css)
    )


def _is_idle_animation(rule: Any, css: str) -> bool:
    """Whether a rule is of keyframes that nothing in the sheet names any more."""
    if rule.type != "at-rule" or not rule.lower_at_keyword.endswith("keyframes"):
        return False
    name = tinycss2.serialize(rule.prelude).strip()
    return len(re.findall(rf"(?<!keyframes )\b{re.escape(name)}\b", css)) == 0


def _possible(prelude: list[Any], names: set[str]) -> str:
    """The selectors of a list, between commas, that could find something."""
    parts: list[list[Any]] = [[]]
    for token in prelude:
        if token.type == "literal" and token.value == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return ",".join(tinycss2.serialize(part).strip() for part in parts if _could(part, names))


def _could(selector: list[Any], names: set[str]) -> bool:
    before = ""
    for token in selector:
        if token.type == "ident":
            # After a colon stands a state or a pseudo-element, which any page may have.
            if before != ":" and token.value not in names:
                return False
        elif token.type == "hash" and token.value not in names:
            return False
        elif token.type == "[] block":
            first = next((it for it in token.content if it.type == "ident"), None)
            if first is not None and first.value not in names:
                return False
        before = token.value if token.type == "literal" else ""
    return True


def _words(script: str) -> list[str]:
    """The words inside the quotes of a script."""
    texts = re.findall(r"""(["'`])(.*?)\1""", script, re.DOTALL)
    return [word for _, text in texts for word in re.findall(r"[A-Za-z_][\w-]*", text)]
