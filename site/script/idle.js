/**
 * A phone that lies about: after a while without a touch the page asks whether somebody is there, and
 * then clears itself, unless the person said that the phone is their own.
 */
import { clearPage } from './clear.js'
import { byId } from './page.js'
import { state } from './state.js'

const WARN_MS = 120_000
const CLEAR_MS = 180_000

let lastMoved = Date.now()

function moved() {
  lastMoved = Date.now()
  byId('idle').hidden = true
}

function watch() {
  const still = Date.now() - lastMoved
  if (!state.typed || byId('own').checked || still < WARN_MS) return
  if (still >= CLEAR_MS) {
    clearPage()
  } else if (byId('idle').hidden) {
    byId('idle').hidden = false
    byId('idle-stay').focus({ preventScroll: true })
  }
}

/** From now on the page clears itself. */
export function clearWhenIdle() {
  for (const kind of ['pointerdown', 'keydown', 'input', 'scroll']) {
    window.addEventListener(kind, moved, { passive: true })
  }
  document.addEventListener('visibilitychange', watch)
  setInterval(watch, 1000)
}
