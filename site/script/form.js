/**
 * The request form: asks, reads back, locks on the phone, sends, shows the code once.
 *
 * It has no words of its own: all texts stand in the page. It writes nothing into the address, the
 * history or any storage, and never falls back to the plain form by itself.
 */
import { verifyBundle } from './bundle.js'
import { derive, newCode } from './code.js'
import { Invalid, pack, parse } from './request.js'
import { seal } from './seal.js'

const WARN_MS = 120_000
const CLEAR_MS = 180_000
const KEY_MS = 3_600_000
const ANSWER_MS = 60_000
const NOT_ASKED = ['lang', 'step']

const byId = (id) => document.getElementById(id)
const form = byId('request-form')
const title = document.title

let typedAnything = false
let lastMoved = Date.now()
let key = null // {bundle, at}
let asked = null // the request, once it is in order
let sealed = null // {code, body}: sent again unchanged after a failure of the network

/** The signed key is not one to lock answers with: nothing may be sent. */
class Closed extends Error {}

/** The network or our computer failed; `word` is what to say. */
class Later extends Error {
  constructor(word) {
    super(word)
    this.word = word
  }
}

function able() {
  return (
    window.isSecureContext &&
    typeof globalThis === 'object' &&
    typeof BigInt === 'function' &&
    !!(window.crypto && window.crypto.subtle && window.fetch && window.AbortController)
  )
}

// --- what the page shows ---

function empty(element) {
  while (element.firstChild) element.removeChild(element.firstChild)
}

function put(element, text) {
  element.textContent = text
}

/** Copies of the nodes of a text of the page; the phone number in it keeps its direction. */
function word(name) {
  const found = document.querySelector(`#words [data-word="${name}"]`)
  return found ? [...found.cloneNode(true).childNodes] : []
}

function say(element, nodes) {
  empty(element)
  for (const node of nodes) element.appendChild(node)
}

function tell(name) {
  const box = byId('message')
  box.hidden = !name
  for (const offer of box.querySelectorAll('.note')) offer.remove()
  say(box.querySelector('p'), name ? word(name) : [])
  put(byId('progress'), '')
  if (name) box.focus()
}

function show(name) {
  for (const id of ['form-part', 'review', 'done']) byId(id).hidden = id !== name
  byId('page-title').hidden = name !== 'form-part'
  byId('problems').hidden = true
  tell('')
  const heading = name === 'form-part' ? byId('page-title') : byId(name).querySelector('h1')
  if (heading) heading.focus()
  window.scrollTo(0, 0)
}

function fill(id, template) {
  const panel = byId(id)
  empty(panel)
  panel.appendChild(byId(template).content.cloneNode(true))
  return panel
}

function on(panel, does) {
  for (const button of panel.querySelectorAll('[data-do]')) {
    button.addEventListener('click', does[button.dataset.do])
  }
}

// --- the form ---

function city() {
  const values = (field) =>
    [...form.querySelectorAll(`input[name="${field}"]`)].map((input) => input.value)
  return {
    centers: values('centers').filter((value) => value !== 'any'),
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

function fieldsInOrder() {
  return [...form.querySelectorAll('.question')].map((question) => question.id.slice(2))
}

function inputsOf(field) {
  return form.querySelectorAll(`input[name="${field}"]`)
}

function problemWords(field, code) {
  for (const name of [`${field} ${code}`, `any ${code}`, 'any other']) {
    const nodes = word(`problem ${name}`)
    if (nodes.length) return nodes
  }
  return []
}

function showProblems(problems) {
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
    link.href = `#f-${field}`
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
function follow(event) {
  const link = event.target.closest('a')
  if (!link) return
  event.preventDefault()
  const field = byId(link.getAttribute('href').slice(1))
  field.focus()
  field.scrollIntoView({ block: 'center' })
}

async function read() {
  tell('')
  try {
    asked = parse(typed(), city())
    pack(asked, new Uint8Array(32)) // is it short enough?
  } catch (error) {
    if (!(error instanceof Invalid)) throw error
    asked = null
    showProblems(error.fields)
    return
  }
  showProblems({})
  sealed = null
  await theKey()
  const panel = fill('review', 'review-template')
  const list = panel.querySelector('[data-slot=answers]')
  for (const [question, answers] of readBack(asked)) {
    const term = document.createElement('dt')
    put(term, question)
    list.appendChild(term)
    for (const answer of answers) {
      const said = document.createElement('dd')
      const apart = document.createElement('bdi')
      put(apart, answer)
      said.appendChild(apart)
      list.appendChild(said)
    }
  }
  on(panel, { send: guarded(send), change: () => show('form-part') })
  show('review')
}

function readBack(request) {
  const rows = []
  for (const field of fieldsInOrder()) {
    if (!request.reach.length && (field === 'phone' || field === 'phone_owner')) continue
    const given = [].concat(request[field]).map((value) => {
      const choice = [...inputsOf(field)].find((it) => it.value === value && it.dataset.say)
      return choice ? choice.dataset.say : String(value)
    })
    const none = word(`nothing ${field}`).map((node) => node.textContent)
    const question = byId(`q-${field}`).querySelector('legend, .asked').textContent
    rows.push([question, given.length ? given : none])
  }
  return rows
}

// --- locking and sending ---

async function ask(address, options) {
  const stop = new AbortController()
  const timer = setTimeout(() => stop.abort(), ANSWER_MS)
  try {
    const answer = await fetch(address, {
      ...options,
      cache: 'no-store',
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      signal: stop.signal,
    })
    return { status: answer.status, text: await answer.text() }
  } finally {
    clearTimeout(timer)
  }
}

/** The bundle of this week, checked. Throws Closed when it must not be used, Later when it can't be
 * had now. */
async function theKey() {
  if (key && Date.now() - key.at < KEY_MS) return key.bundle
  key = null
  const { queue, deployment, custodians, threshold } = form.dataset
  let answer
  try {
    answer = await ask(`/api/keys/${queue}/current`)
  } catch (error) {
    throw new Later('not_ready')
  }
  if (answer.status >= 500) throw new Later('unavailable')
  if (answer.status !== 200) throw new Closed()
  try {
    const bundle = await verifyBundle(answer.text, {
      custodians: custodians.split(' ').filter(Boolean),
      threshold: Number(threshold),
      queue,
      deployment,
      now: Date.now(),
    })
    key = { bundle, at: Date.now() }
    return bundle
  } catch (error) {
    throw new Closed()
  }
}

async function send() {
  for (const button of byId('review').querySelectorAll('button')) button.disabled = true
  try {
    tell('')
    if (!sealed) {
      say(byId('progress'), word('locking'))
      const bundle = await theKey()
      await new Promise((painted) => setTimeout(painted, 50))
      const code = newCode()
      const secrets = await derive(code, form.dataset.deployment)
      const envelope = await seal(pack(asked, secrets.reply), bundle, secrets)
      sealed = { code, body: JSON.stringify(envelope) }
    }
    say(byId('progress'), word('sending'))
    await post()
  } finally {
    for (const button of byId('review').querySelectorAll('button')) button.disabled = false
  }
}

async function post() {
  let answer
  let said
  try {
    answer = await ask('/api/requests', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: sealed.body,
    })
    said = JSON.parse(answer.text)
  } catch (error) {
    throw new Later('offline') // it may have arrived: the same bytes go out again
  }
  if (answer.status === 201) return finish(sealed.code, said.look_again)
  if (answer.status === 503) {
    if (said.error === 'closed') throw new Closed()
    throw new Later('unsure') // it may have been kept: the same bytes go out again
  }
  if (answer.status >= 500) throw new Later('offline')
  sealed = null
  if (said.error === 'epoch') {
    key = null
    throw new Later('week_over')
  }
  throw new Later(answer.status === 409 ? 'conflict' : 'refused')
}

function inWords(day) {
  const [year, month, date] = day.split('-').map(Number)
  const { weekdays, months, dayPattern } = form.dataset
  const weekday = (new Date(Date.UTC(year, month - 1, date)).getUTCDay() + 6) % 7
  const parts = {
    weekday: weekdays.split('|')[weekday],
    month: months.split('|')[month - 1],
    month_number: month,
    day: date,
  }
  return dayPattern.replace(/{(\w+)}/g, (_, name) => parts[name])
}

function finish(code, day) {
  const panel = fill('done', 'done-template')
  const slot = panel.querySelector('[data-slot=code]')
  empty(slot)
  code.split('-').forEach((group, number) => {
    if (number) slot.appendChild(span('-', 'dash'))
    slot.appendChild(span(group, ''))
  })
  put(panel.querySelector('[data-slot=day]'), inWords(day))
  on(panel, { print: () => window.print(), copy: () => copy(code, slot), clear: clearPage })
  forget()
  show('done')
}

function span(text, name) {
  const element = document.createElement('span')
  if (name) element.className = name
  put(element, text)
  return element
}

async function copy(code, slot) {
  try {
    await navigator.clipboard.writeText(code)
    say(byId('progress'), word('copied'))
  } catch (error) {
    const marked = document.createRange()
    marked.selectNodeContents(slot)
    const selection = window.getSelection()
    selection.removeAllRanges()
    selection.addRange(marked)
    say(byId('progress'), word('copy_failed'))
  }
}

// --- what can go wrong ---

/** A handler that says in words what went wrong. What was typed stays. */
function guarded(step) {
  return async () => {
    try {
      await step()
    } catch (error) {
      if (error instanceof Closed) close()
      else if (error instanceof Later) tell(error.word)
      else offerPlain()
    }
  }
}

/** Without a key that we trust nothing may leave the phone, locked or not. */
function close() {
  forget()
  empty(byId('review'))
  byId('form-part').hidden = byId('review').hidden = true
  byId('page-title').hidden = false
  tell('closed')
}

/** Locking failed: the person chooses whether to send the plain form. */
function offerPlain() {
  show('form-part')
  const box = byId('message')
  box.appendChild(byId('failed-template').content.cloneNode(true))
  on(box, { plain: () => form.submit() })
  box.hidden = false
  box.focus()
}

// --- leaving nothing behind ---

function forget() {
  asked = null
  sealed = null
  for (const input of form.querySelectorAll('input:not([type=hidden])')) {
    if (input.type === 'checkbox' || input.type === 'radio') {
      input.checked = input.defaultChecked = false
    } else {
      input.value = input.defaultValue = ''
    }
  }
}

function wipe() {
  forget()
  empty(byId('review'))
  empty(byId('done'))
}

function clearPage() {
  wipe()
  byId('idle').hidden = true
  typedAnything = false
  fill('done', 'cleared-template')
  show('done')
}

function moved() {
  lastMoved = Date.now()
  byId('idle').hidden = true
}

function watch() {
  const still = Date.now() - lastMoved
  if (!typedAnything || byId('own').checked || still < WARN_MS) return
  if (still >= CLEAR_MS) {
    clearPage()
  } else if (byId('idle').hidden) {
    byId('idle').hidden = false
    byId('idle-stay').focus({ preventScroll: true })
  }
}

function leave(event) {
  event.preventDefault()
  if (form) wipe()
  empty(document.body)
  document.title = ''
  location.replace(event.currentTarget.href)
}

function start() {
  typedAnything = location.pathname !== form.dataset.page // the function shows what was typed
  byId('plain-note').hidden = true
  byId('script-note').hidden = false
  byId('script-note').after(byId('own-template').content.cloneNode(true))

  form.addEventListener('submit', (event) => {
    event.preventDefault()
    guarded(read)()
  })
  byId('problems').addEventListener('click', follow)
  for (const kind of ['input', 'change']) {
    form.addEventListener(kind, () => {
      typedAnything = true
    })
  }
  for (const kind of ['pointerdown', 'keydown', 'input', 'scroll']) {
    window.addEventListener(kind, moved, { passive: true })
  }
  document.addEventListener('visibilitychange', watch)
  setInterval(watch, 1000)
  window.addEventListener('pagehide', wipe)
  window.addEventListener('pageshow', (event) => {
    if (event.persisted) location.replace(form.dataset.page)
  })

  // Early, so that nobody fills in a form that is closed. A failing network is said when it matters.
  guarded(async () => {
    try {
      await theKey()
    } catch (error) {
      if (error instanceof Closed) throw error
    }
  })()
}

for (const link of document.querySelectorAll('a.exit')) link.addEventListener('click', leave)
if (form && able()) start()
