/**
 * What can go wrong, and what is said then. It never sends the plain form by itself: the person chooses.
 */
import { forget } from './clear.js'
import { byId, emptyPanels, form, on, show, tell } from './page.js'
import { state } from './state.js'

/** The signed key is not one to lock answers with: nothing may be sent. */
export class Closed extends Error {}

/** The network or our computer failed, or refused; `word` is what to say. */
export class Later extends Error {
  constructor(word) {
    super(word)
    this.word = word
  }
}

/** A handler that says in words what went wrong. What was typed stays. */
export function guarded(step) {
  return async () => {
    try {
      await step()
    } catch (error) {
      if (error instanceof Closed) close()
      else if (error instanceof Later) {
        if (error.word) tell(error.word)
      } else offerPlain()
    }
  }
}

/** Without a key that we trust nothing may leave the phone, locked or not. */
function close() {
  forget()
  emptyPanels()
  byId('form-part').hidden = byId('review').hidden = true
  byId('page-title').hidden = false
  tell('closed')
}

/** Locking, or looking, failed: the person chooses whether our computer may do it. */
function offerPlain() {
  const looking = byId('look') && !state.moving
  show(looking ? 'look' : 'form-part')
  const box = byId('message')
  const offer = byId(looking ? 'look-failed-template' : 'failed-template')
  box.appendChild(offer.content.cloneNode(true))
  on(box, {
    plain: () => {
      if (state.moving) form.elements.code.value = state.moving.code
      ;(looking ? byId('look-form') : form).submit()
    },
  })
  box.hidden = false
  box.focus()
}
