/**
 * The request form starts here, and the page "My request", on which the same form moves a request. It
 * asks (fields, times), reads back (readback), locks on the phone and sends (send), and shows the code
 * once (done). A phone that cannot do this keeps the plain form, which posts to the same address.
 *
 * The scripts have no words of their own: all texts stand in the page. They write nothing into the
 * address, the history or any storage, and never fall back to the plain form by themselves.
 */
import { wipe } from './clear.js'
import { Closed, guarded } from './fail.js'
import { follow } from './fields.js'
import { clearWhenIdle } from './idle.js'
import { theKey } from './key.js'
import { leaveBy } from './leave.js'
import { startMine } from './mine.js'
import { byId, form } from './page.js'
import { readBack } from './readback.js'
import { state } from './state.js'
import { askWishes, freshTimes } from './times.js'

function able() {
  return (
    window.isSecureContext &&
    typeof globalThis === 'object' &&
    typeof BigInt === 'function' &&
    !!(window.crypto && window.crypto.subtle && window.fetch && window.AbortController)
  )
}

function start() {
  state.typed = form.dataset.typed !== undefined // the function shows what was typed
  byId('plain-note').hidden = true
  byId('script-note').hidden = false
  byId('script-note').after(byId('own-template').content.cloneNode(true))

  form.addEventListener('submit', (event) => {
    event.preventDefault()
    guarded(readBack)()
  })
  byId('problems').addEventListener('click', follow)
  for (const kind of ['input', 'change']) {
    document.addEventListener(kind, () => {
      state.typed = true
      askWishes()
    })
  }
  clearWhenIdle()
  window.addEventListener('pagehide', wipe)
  window.addEventListener('pageshow', (event) => {
    if (event.persisted) location.replace(form.dataset.page)
  })
  if (byId('look')) startMine()
  else startEarly()
}

/** Early, so that nobody fills in a form that is closed. A failing network is said when it matters. */
function startEarly() {
  guarded(freshTimes)()
  guarded(async () => {
    try {
      await theKey()
    } catch (error) {
      if (error instanceof Closed) throw error
    }
  })()
}

leaveBy(wipe)
if (form && able()) start()
