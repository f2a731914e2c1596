/**
 * Leaving nothing behind: what was typed, what was shown and what the page holds are cleared together.
 */
import { byId, empty, fill, show } from './page.js'
import { forgetCodes, state } from './state.js'

/** Clears the request and every field, also for a browser that would restore them. */
export function forget() {
  state.asked = null
  forgetCodes()
  for (const input of document.querySelectorAll('form input:not([type=hidden]), input[name=code]')) {
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
  for (const id of ['review', 'done', 'mine']) if (byId(id)) empty(byId(id))
}

/** Clears all of it and says so. */
export function clearPage() {
  wipe()
  byId('idle').hidden = true
  state.typed = false
  fill('done', 'cleared-template')
  show('done')
}
