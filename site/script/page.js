/**
 * The page: its elements, its words, and its panels, of which one is shown at a time. It writes nothing
 * into the address, the history or any storage.
 */
const PANELS = ['form-part', 'review', 'done', 'look', 'mine']
const FILLED = ['review', 'done', 'mine'] // from templates, with what is known of a request

export const byId = (id) => document.getElementById(id)
export const form = byId('request-form')
export const title = document.title

export function empty(element) {
  while (element.firstChild) element.removeChild(element.firstChild)
}

export function put(element, text) {
  element.textContent = text
}

export function make(tag, name, text) {
  const element = document.createElement(tag)
  if (name) element.className = name
  if (text) put(element, text)
  return element
}

/** Copies of the nodes of a text of the page; the phone number in it keeps its direction. */
export function word(name) {
  const found = document.querySelector(`#words [data-word="${name}"]`)
  return found ? [...found.cloneNode(true).childNodes] : []
}

/** The same as plain text. */
export function words(name) {
  return word(name)
    .map((node) => node.textContent)
    .join('')
}

export function say(element, nodes) {
  empty(element)
  for (const node of nodes) element.appendChild(node)
}

export function tell(name) {
  const box = byId('message')
  box.hidden = !name
  for (const offer of box.querySelectorAll('.note')) offer.remove()
  say(box.querySelector('p'), name ? word(name) : [])
  put(byId('progress'), '')
  if (name) box.focus()
}

/** Empties what was filled in for a request: what is hidden is not gone. */
export function emptyPanels(but) {
  for (const id of FILLED) if (id !== but && byId(id)) empty(byId(id))
}

/** Shows one panel of the page, hides the others and empties those that were filled in. */
export function show(name) {
  emptyPanels(name)
  for (const id of PANELS) if (byId(id)) byId(id).hidden = id !== name
  if (byId('moving')) byId('moving').hidden = name !== 'form-part'
  byId('page-title').hidden = !['form-part', 'look'].includes(name)
  byId('problems').hidden = true
  tell('')
  document.title = title
  const heading = ['form-part', 'look'].includes(name) ? byId('page-title') : byId(name).querySelector('h1')
  if (heading) heading.focus({ preventScroll: true })
  window.scrollTo(0, 0)
}

export function fill(id, template) {
  const panel = byId(id)
  empty(panel)
  panel.appendChild(byId(template).content.cloneNode(true))
  return panel
}

export function on(panel, does) {
  for (const button of panel.querySelectorAll('[data-do]')) {
    button.addEventListener('click', does[button.dataset.do])
  }
}

/** Writes a visit or a day where a panel has room for it, and shows what depends on it. */
export function fillIn(panel, values) {
  for (const element of panel.querySelectorAll('[data-fill]')) {
    const text = values[element.dataset.fill]
    if (text) put(element, text)
  }
  for (const element of panel.querySelectorAll('[data-if]')) element.hidden = !values[element.dataset.if]
  for (const element of panel.querySelectorAll('[data-unless]')) {
    element.hidden = Boolean(values[element.dataset.unless])
  }
}
