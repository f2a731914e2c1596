/**
 * Filling in: what was typed becomes a request, or each problem is said beside its question and in the
 * summary above.
 */
import { byId, empty, form, say, title, word } from './page.js'
import { Invalid, pack, parse } from './request.js'

const NOT_ASKED = ['lang', 'step', 'code', 'path']

/** The request in the form; null when there are problems, which are then shown. */
export function readForm() {
  try {
    const asked = parse(typed(), rules())
    pack(asked, new Uint8Array(32)) // is it short enough?
    showProblems({})
    return asked
  } catch (error) {
    if (!(error instanceof Invalid)) throw error
    showProblems(error.fields)
    return null
  }
}

function rules() {
  const values = (field) =>
    [...form.querySelectorAll(`input[name="${field}"]`)].map((input) => input.value)
  return {
    centers: values('centers').filter((value) => value !== 'any'),
    opening_centers: [...document.querySelectorAll('#centers [data-center]')].map(
      (known) => known.dataset.center,
    ),
    max_people: Number(form.dataset.maxPeople),
    visit_types: values('visit_type'),
    languages: values('language'),
    access: values('access'),
  }
}

function typed() {
  const texts = {}
  for (const [field, text] of new FormData(form)) {
    if (!NOT_ASKED.includes(field)) (texts[field] = texts[field] || []).push(text)
  }
  return texts
}

/** The names of the questions, from top to bottom. */
export function fieldsInOrder() {
  return [...form.querySelectorAll('.question')].map((question) => question.id.slice(2))
}

export function inputsOf(field) {
  return form.querySelectorAll(`input[name="${field}"]`)
}

function problemWords(field, code) {
  for (const name of [`${field} ${code}`, `any ${code}`, 'any other']) {
    const nodes = word(`problem ${name}`)
    if (nodes.length) return nodes
  }
  return []
}

/** Shows {field: code}, and nothing of what was shown before. */
export function showProblems(problems) {
  const summary = byId('problems')
  const list = summary.querySelector('ul')
  empty(list)
  for (const field of fieldsInOrder()) {
    const beside = byId(`problem-${field}`)
    const code = problems[field]
    beside.hidden = !code
    say(beside, code ? problemWords(field, code) : [])
    for (const input of inputsOf(field)) {
      if (code) input.setAttribute('aria-invalid', 'true')
      else input.removeAttribute('aria-invalid')
    }
    if (!code) continue
    const link = document.createElement('a')
    link.href = `#f-${byId(`q-${field}`).hidden ? 'centers' : field}`
    say(link, problemWords(field, code))
    const item = document.createElement('li')
    item.appendChild(link)
    list.appendChild(item)
  }
  const some = list.childNodes.length > 0
  summary.hidden = !some
  document.title = some ? `${byId('problems-title').textContent}: ${title}` : title
  if (some) {
    summary.focus()
    summary.scrollIntoView()
  }
}

/** A link of the summary moves the focus, and leaves the address as it is. */
export function follow(event) {
  const link = event.target.closest('a')
  if (!link) return
  event.preventDefault()
  const field = byId(link.getAttribute('href').slice(1))
  field.focus()
  field.scrollIntoView({ block: 'center' })
}
