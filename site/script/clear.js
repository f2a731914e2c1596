/**
 * Leaving nothing behind: what was typed, what was shown and what the page holds are cleared together.
 */
import { byId, emptyPanels, fill, show } from './page.js'
import { forgetCodes, state } from './state.js'
import { forgetTime } from './times.js'

/** Clears the request and every field, also for a browser that would restore them. */
export function forget() {
  state.asked = null
  forgetCodes()
  forgetTime()
  // Without its password field a form that is sent would be written to disk by the browser.
  const typed = 'form input:not([type=hidden]):not([type=password]), input[name=code]'
  for (const input of document.querySelectorAll(typed)) {
    if (input.type === 'checkbox' || input.type === 'radio') {
      input.checked = input.defaultChecked = false
    } else {
      input.value = input.defaultValue = ''
    }
  }
}

/** Clears also what is shown: the page is being left. */
export function wipe() {
  forget()
  emptyPanels()
}

/** Clears all of it and says so. */
export function clearPage() {
  wipe()
  byId('idle').hidden = true
  state.typed = false
  fill('done', 'cleared-template')
  show('done')
}
