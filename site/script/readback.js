/** The read-back: the answers in words, before anything is sent. */
import { guarded } from './fail.js'
import { fieldsInOrder, inputsOf, readForm } from './fields.js'
import { theKey } from './key.js'
import { parseOpening } from './openings.js'
import { byId, fill, make, on, show, tell, words } from './page.js'
import { send } from './send.js'
import { state } from './state.js'
import { center, dayAndTime } from './visit.js'

/** Reads the form and shows it, if it is in order and there is a key to lock it with. */
export async function readBack() {
  tell('')
  state.asked = readForm()
  if (!state.asked) return
  state.sealed = null
  await theKey()
  const panel = fill('review', 'review-template')
  const list = panel.querySelector('[data-fill=answers]')
  for (const [question, answers] of rowsOf(state.asked)) {
    list.appendChild(make('dt', '', question))
    for (const answer of answers) {
      const said = make('dd')
      said.appendChild(make('bdi', '', answer))
      list.appendChild(said)
    }
  }
  on(panel, { send: guarded(send), change: () => show('form-part') })
  show('review')
}

/** [question, answers] of each question that this request answers. */
function rowsOf(request) {
  const rows = []
  const leftOut = request.opening ? ['centers', 'windows'] : ['opening']
  if (!request.reach.length) leftOut.push('phone', 'phone_owner')
  for (const field of fieldsInOrder()) {
    if (leftOut.includes(field)) continue
    if (field === 'opening') {
      const { center: id, day, at } = parseOpening(request.opening)
      const { name, shown } = center(id)
      rows.push([words('your_time'), [name, shown, dayAndTime(day, at)]])
      continue
    }
    const given = [].concat(request[field]).map((value) => {
      const choice = [...inputsOf(field)].find((it) => it.value === value && it.dataset.say)
      return choice ? choice.dataset.say : String(value)
    })
    const question = byId(`q-${field}`).querySelector('legend, .asked').textContent
    rows.push([question, given.length ? given : [words(`nothing ${field}`)]])
  }
  return rows
}
