/**
 * What every scripted page does: shows its own words, asks our computer, writes days and times. It
 * writes nothing into the address, the history or any storage.
 */
const ANSWER_MS = 60_000
const PANELS = ['form-part', 'review', 'done', 'look', 'mine']

export const byId = (id) => document.getElementById(id)
export const form = byId('request-form')
export const title = document.title

/** The signed key is not one to lock answers with: nothing may be sent. */
export class Closed extends Error {}

/** The network or our computer failed, or refused; `word` is what to say. */
export class Later extends Error {
  constructor(word) {
    super(word)
    this.word = word
  }
}

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

/** Shows one panel of the page, and hides the others. */
export function show(name) {
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

/** What our computer answers: {status, bytes, text}. Throws when it can't be reached. */
export async function ask(address, options) {
  const stop = new AbortController()
  const timer = setTimeout(() => stop.abort(), ANSWER_MS)
  try {
    const answer = await fetch(address, {
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      cache: 'no-store',
      ...options,
      signal: stop.signal,
    })
    const bytes = new Uint8Array(await answer.arrayBuffer())
    return { status: answer.status, bytes, text: new TextDecoder().decode(bytes) }
  } finally {
    clearTimeout(timer)
  }
}

export function postJson(address, values) {
  const headers = { 'Content-Type': 'application/json' }
  return ask(address, { method: 'POST', headers, body: JSON.stringify(values) })
}

/** Whom to believe, as the build wrote it into the form. */
export function trust() {
  const { queue, deployment, custodians, threshold } = form.dataset
  const keys = custodians.split(' ').filter(Boolean)
  return { custodians: keys, threshold: Number(threshold), queue, deployment }
}

const filled = (pattern, values) => pattern.replace(/{(\w+)}/g, (_, name) => values[name])

/** `2026-12-03` in words. */
export function dayInWords(day) {
  const [year, month, date] = day.split('-').map(Number)
  const { weekdays, months, dayPattern } = form.dataset
  return filled(dayPattern, {
    weekday: weekdays.split('|')[(new Date(Date.UTC(year, month - 1, date)).getUTCDay() + 6) % 7],
    month: months.split('|')[month - 1],
    month_number: month,
    day: date,
  })
}

/** `14:05` in words. */
export function timeInWords(at) {
  const [hour, minute] = at.split(':')
  return filled(form.dataset.timePattern, {
    hour: Number(hour),
    hour12: Number(hour) % 12 || 12,
    minute,
    half: form.dataset.halves.split('|')[at >= '12' ? 1 : 0],
  })
}

export function dayAndTime(day, at) {
  return filled(form.dataset.dayTime, { day: dayInWords(day), time: timeInWords(at) })
}

/** Name and address of a center of this page, and the address as it is shown: with a mark while
 * nobody has confirmed it. */
export function center(id) {
  const found = document.querySelector(`#centers [data-center="${id}"]`)
  if (!found) return { name: '', address: '', shown: '', unlisted: false }
  const { name, address, shown, unlisted } = found.dataset
  return { name, address, shown, unlisted: unlisted !== undefined }
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

export function visitInWords({ opening, name, address }) {
  const known = center(opening.center)
  return {
    name: name || known.name || words('ask_where'),
    address: address || known.shown,
    day: dayInWords(opening.day),
    time: timeInWords(opening.at),
  }
}

/** The code in its groups, as the page of the function has it. */
export function showCode(element, code) {
  empty(element)
  code.split('-').forEach((group, number) => {
    if (number) element.appendChild(make('span', 'dash', '-'))
    element.appendChild(make('span', '', group))
  })
}

export async function copy(code, shown) {
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
