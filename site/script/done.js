/** Sent: the code is shown, once. After that the page holds nothing of the request. */
import { saveCalendar } from './calendar.js'
import { clearPage, forget } from './clear.js'
import { parseOpening } from './openings.js'
import { byId, empty, fill, fillIn, make, on, say, show, word, words } from './page.js'
import { state } from './state.js'
import { center, dayInWords, visitInWords } from './visit.js'

/** Shows the code of `state.sealed`; `day` is when to look again, "" where nobody said. */
export function showDone(day) {
  const { code } = state.sealed
  const opening = state.asked.opening ? parseOpening(state.asked.opening) : null
  const panel = fill('done', opening ? 'taken-template' : 'done-template')
  const shown = panel.querySelector('[data-fill=code]')
  const { name, address, unlisted } = opening ? center(opening.center) : {}
  fillIn(
    panel,
    opening
      ? visitInWords(unlisted ? { opening, name, address } : { opening })
      : { 'look-again': day && dayInWords(day) },
  )
  writeCode(shown, code)
  on(panel, {
    print: () => window.print(),
    copy: () => copy(code, shown),
    calendar: () => saveCalendar(opening, words('appointment')),
    clear: clearPage,
  })
  forget()
  show('done')
}

/** The code in its groups, as the page of the function has it. */
function writeCode(element, code) {
  empty(element)
  code.split('-').forEach((group, number) => {
    if (number) element.appendChild(make('span', 'dash', '-'))
    element.appendChild(make('span', '', group))
  })
}

async function copy(code, shown) {
  try {
    await navigator.clipboard.writeText(code)
    say(byId('progress'), word('copied'))
  } catch (error) {
    const marked = document.createRange()
    marked.selectNodeContents(shown)
    const selection = window.getSelection()
    selection.removeAllRanges()
    selection.addRange(marked)
    say(byId('progress'), word('copy_failed'))
  }
}
