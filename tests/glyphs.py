"""Which characters of a page stand there as empty boxes, because no font of this machine has them.

For such a character Chromium shows the box of the first font that it asked. So every text of a page
is measured twice, each time with a font of our own before those that the page names: it has a box,
and no character. Once the box has no width and once it is wide; the text is as wide both times
unless a box is in it.
"""

import base64
import io
from functools import cache

from fontTools.fontBuilder import FontBuilder
from fontTools.ttLib.tables._g_l_y_f import Glyph
from playwright.sync_api import Page

EM = 1000
NO_CHARACTER = "\U0001fffe"  # Unicode promises that it never will be one
MISSING = """
async ([fonts, noCharacter]) => {
  for (const [name, font] of Object.entries(fonts)) {
    const bytes = Uint8Array.from(atob(font), (it) => it.charCodeAt(0))
    document.fonts.add(await new FontFace(name, bytes.buffer).load())
  }
  const pen = document.createElement('canvas').getContext('2d')
  const width = (box, families, text) => {
    pen.font = `100px ${box}, ${families}`
    return pen.measureText(text).width
  }
  const boxes = (families, text) =>
    Math.round((width('wide-box', families, text) - width('no-box', families, text)) / 100)
  if (boxes('sans-serif', `a${noCharacter}a`) !== 1) throw new Error('boxes cannot be counted here')

  const shown = new Map() // from the fonts of a text to all texts in them
  const add = (style, text) => {
    if (style.visibility === 'hidden' || !text.trim()) return
    if (!shown.has(style.fontFamily)) shown.set(style.fontFamily, new Set())
    shown.get(style.fontFamily).add(text)
  }
  const range = document.createRange()
  for (const element of document.body.querySelectorAll('*')) {
    const style = getComputedStyle(element)
    for (const node of element.childNodes) {
      if (node.nodeType !== Node.TEXT_NODE) continue
      range.selectNode(node)
      if (range.getClientRects().length) add(style, node.data)
    }
    if (!element.getClientRects().length) continue
    const typed = element.type === 'password' ? '' : element.value || element.placeholder
    if (typeof typed === 'string') add(style, typed)
    for (const option of element.selectedOptions || []) add(style, option.text)
    for (const pseudo of ['::before', '::after']) {
      const made = getComputedStyle(element, pseudo)
      if (made.content.startsWith('"')) add(made, made.content)
    }
  }

  const missing = new Set()
  const characters = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
  for (const [families, texts] of shown) {
    for (const text of texts) {
      if (!boxes(families, text)) continue
      const parts = [...characters.segment(text)].map((it) => it.segment)
      const found = parts.filter((it) => boxes(families, it))
      for (const it of found.length ? found : [text]) missing.add(it)
    }
  }
  return [...missing]
}
"""


def missing(page: Page) -> list[str]:
    """What of the shown text of a page is a box: characters, each with the marks on it. Asks the
    page nothing that changes how it looks."""
    fonts = {"no-box": _font(0), "wide-box": _font(EM)}
    found: list[str] = page.evaluate(MISSING, [fonts, NO_CHARACTER])
    return sorted(found)


@cache
def _font(width: int) -> str:
    """A font without characters whose box is invisible and of this width, in base64."""
    font = FontBuilder(EM, isTTF=True)
    font.setupGlyphOrder([".notdef"])
    font.setupCharacterMap({})
    font.setupGlyf({".notdef": Glyph()})
    font.setupHorizontalMetrics({".notdef": (width, 0)})
    font.setupHorizontalHeader(ascent=EM)
    font.setupNameTable({"familyName": "Box", "styleName": "Regular"})
    font.setupOS2()
    font.setupPost(keepGlyphNames=False)
    written = io.BytesIO()
    font.save(written)
    return base64.b64encode(written.getvalue()).decode()
