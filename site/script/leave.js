/**
 * Leaving at once, after the pattern of GOV.UK's "Exit this page": the link at the top, and Shift pressed
 * three times. The page is wiped first, and the way back does not lead to it.
 */
import { empty } from './page.js'

const TIMES = 3
const WITHIN_MS = 5_000

/** Wires the link and the key; `wipe` clears what was written or ticked. */
export function leaveBy(wipe) {
  const link = document.querySelector('a.exit')
  if (!link) return
  const leave = () => {
    wipe()
    empty(document.body)
    document.title = ''
    location.replace(link.href)
  }
  link.addEventListener('click', (event) => {
    event.preventDefault()
    leave()
  })
  let presses = []
  // With another key in between somebody writes capitals. A key held down repeats.
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Shift' || event.ctrlKey || event.altKey || event.metaKey) presses = []
    else if (!event.repeat) presses = [...presses, event.timeStamp].slice(-TIMES)
    if (presses.length === TIMES && presses[TIMES - 1] - presses[0] < WITHIN_MS) leave()
  })
}
