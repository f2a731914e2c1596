/**
 * The request form: asks, reads back, locks on the phone, sends, shows the code once. On the page "My
 * request" the same form moves a request (mine.js).
 *
 * It has no words of its own: all texts stand in the page. It writes nothing into the address, the
 * history or any storage, and never falls back to the plain form by itself.
 */
import { verifyBundle } from './bundle.js'
import { saveCalendar } from './calendar.js'
import { b64, derive, newCode } from './code.js'
import { leaveBy } from './leave.js'
import { startMine } from './mine.js'
import { parseOpening, weekOf } from './openings.js'
import {
  Closed, Later, ask, byId, center, copy, dayAndTime, dayInWords, empty, fill, fillIn, form, make, on,
  postJson, put, say, show, showCode, tell, title, trust, visitInWords, word, words,
} from './page.js'
import { openReply } from './reply.js'
import { Invalid, pack, parse } from './request.js'
import { seal } from './seal.js'
import { askWishes, freshTimes, isGone, keepTime, lookAgain } from './times.js'

const WARN_MS = 120_000
const CLEAR_MS = 180_000
const KEY_MS = 3_600_000
const DESK = 'desk' // the path of times that only the desk gives out
const NOT_ASKED = ['lang', 'step', 'code', 'path']

let typedAnything = false
let lastMoved = Date.now()
let keys = {} // week, or current: {bundle, at}
let asked = null // the request, once it is in order
let sealed = null // {code, secrets, envelope}: sent again unchanged after a failure of the network
let unsure = null // {code, secrets} of what was sent and may have arrived
let moving = null // {code, secrets, shown} of the request that is being moved
let seeMine = null // on the page My request: shows the request of {code, secrets}

function able() {
  return (
    window.isSecureContext &&
    typeof globalThis === 'object' &&
    typeof BigInt === 'function' &&
    !!(window.crypto && window.crypto.subtle && window.fetch && window.AbortController)
  )
}

// --- the form ---

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
    asked = parse(typed(), rules())
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
  const list = panel.querySelector('[data-fill=answers]')
  for (const [question, answers] of readBack(asked)) {
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

function readBack(request) {
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

// --- locking and sending ---

/** The bundle of this week, or of the week named, checked. Throws Closed when it must not be used,
 * Later when it can't be had now. */
async function theKey(epoch) {
  const name = epoch || 'current'
  if (keys[name] && Date.now() - keys[name].at < KEY_MS) return keys[name].bundle
  delete keys[name]
  let answer
  try {
    answer = await ask(`/api/keys/${trust().queue}/${name}`)
  } catch (error) {
    throw new Later('not_ready')
  }
  if (answer.status >= 500) throw new Later('unavailable')
  if (answer.status !== 200) throw new Closed()
  try {
    const bundle = await verifyBundle(answer.text, { ...trust(), now: Date.now(), epoch })
    keys[name] = { bundle, at: Date.now() }
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
      const current = await theKey()
      const opening = asked.opening ? parseOpening(asked.opening) : null
      const bundle = opening ? await theKey(weekOf(opening.day)) : current
      await new Promise((painted) => setTimeout(painted, 50))
      // Under the code of what may have arrived already: never two requests, never a second seat.
      const known = moving || unsure
      const code = known ? known.code : newCode()
      const secrets = known ? known.secrets : await derive(code, trust().deployment)
      const parts = pack(asked, secrets.reply)
      const how = { opening: asked.opening, born: current.epoch, reply: await firstReply(opening) }
      sealed = { code, secrets, envelope: await seal(parts, bundle, secrets, how) }
    }
    say(byId('progress'), word('sending'))
    await (moving ? move() : post())
  } finally {
    for (const button of byId('review').querySelectorAll('button')) button.disabled = false
  }
}

/** What the code shows until the desk answers. */
async function firstReply(opening) {
  if (!opening) {
    const day = await lookAgain()
    return day ? { state: 'waiting', look_again: day } : { state: 'waiting' }
  }
  const { name, address, unlisted } = center(opening.center)
  const reply = { state: 'placed', opening: opening.id }
  return unlisted ? { ...reply, name, address } : reply
}

async function post() {
  // What was sent before under this code may have arrived: then these answers take its place.
  if (unsure && unsure.envelope !== sealed.envelope && (await replaced())) return
  unsure = sealed
  let answer
  let said
  try {
    answer = await postJson('/api/requests', sealed.envelope)
    said = JSON.parse(answer.text)
  } catch (error) {
    throw new Later('offline') // it may have arrived: the same bytes go out again
  }
  if (answer.status < 500) unsure = null
  if (answer.status !== 201) await refused(answer.status, said.error)
  finish(said.look_again)
}

async function move() {
  if (await replaced()) return
  forgetMoved() // sent again, it is a new request
  throw new Later('lost')
}

/** Puts the request in the place of the one of its code; whether there was one. */
async function replaced() {
  const { envelope, secrets } = sealed
  const asking = { v: 1, do: 'move', auth: b64(secrets.auth), envelope }
  if (moving) asking.shown = moving.shown
  let answer
  try {
    answer = await postJson('/api/requests/check', asking)
  } catch (error) {
    throw new Later('offline')
  }
  if (answer.status !== 200) {
    let error = ''
    try {
      error = JSON.parse(answer.text).error
    } catch (unreadable) {
      throw new Later('offline')
    }
    await refused(answer.status, error)
  }
  const stands = await openReply(answer.bytes, secrets.reply, secrets.id)
  if (stands) finish(asked.opening ? '' : await lookAgain())
  return stands !== null
}

function forgetMoved() {
  sealed = moving = unsure = null
}

/** Says why our computer did not take it. */
async function refused(status, error) {
  if (status === 503) {
    if (error === 'closed') throw new Closed()
    throw new Later('unsure') // it may have been kept: the same bytes go out again
  }
  if (status >= 500) throw new Later('offline')
  sealed = null
  if (error === 'gone') {
    isGone(asked.opening)
    await freshTimes()
    show('form-part')
    showProblems({ opening: 'gone' })
    throw new Later('')
  }
  if (error === 'epoch') {
    keys = {}
    throw new Later('week_over')
  }
  if (status === 409 && moving) {
    await seeMine(moving) // what was typed stays in the form
    throw new Later('kept')
  }
  throw new Later('refused')
}

function finish(day) {
  const { code } = sealed
  const opening = asked.opening ? parseOpening(asked.opening) : null
  const panel = fill('done', opening ? 'taken-template' : 'done-template')
  const shown = panel.querySelector('[data-fill=code]')
  const { name, address, unlisted } = opening ? center(opening.center) : {}
  fillIn(
    panel,
    opening
      ? visitInWords(unlisted ? { opening, name, address } : { opening })
      : { 'look-again': day && dayInWords(day) },
  )
  showCode(shown, code)
  on(panel, {
    print: () => window.print(),
    copy: () => copy(code, shown),
    calendar: () => saveCalendar(opening, words('appointment')),
    clear: clearPage,
  })
  forget()
  show('done')
}

// --- what can go wrong ---

/** A handler that says in words what went wrong. What was typed stays. */
function guarded(step) {
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
  empty(byId('review'))
  byId('form-part').hidden = byId('review').hidden = true
  byId('page-title').hidden = false
  tell('closed')
}

/** Locking, or looking, failed: the person chooses whether our computer may do it. */
function offerPlain() {
  const looking = byId('look') && !moving
  show(looking ? 'look' : 'form-part')
  const box = byId('message')
  const offer = byId(looking ? 'look-failed-template' : 'failed-template')
  box.appendChild(offer.content.cloneNode(true))
  on(box, {
    plain: () => {
      if (moving) form.elements.code.value = moving.code
      ;(looking ? byId('look-form') : form).submit()
    },
  })
  box.hidden = false
  box.focus()
}

// --- leaving nothing behind ---

function forget() {
  asked = null
  forgetMoved()
  for (const input of document.querySelectorAll('form input:not([type=hidden]), input[name=code]')) {
    if (input.type === 'checkbox' || input.type === 'radio') {
      input.checked = input.defaultChecked = false
    } else {
      input.value = input.defaultValue = ''
    }
  }
}

function wipe() {
  forget()
  for (const id of ['review', 'done', 'mine']) if (byId(id)) empty(byId(id))
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

/** The form as it is for a request that is moved: of the old one it has the time. */
function startMoving(mine, reply) {
  moving = mine
  sealed = null
  const { path } = reply.opening || { path: '' }
  byId('q-opening').dataset.path = path === DESK ? '' : path
  keepTime(reply)
  guarded(freshTimes)()
  show('form-part')
}

function start() {
  typedAnything = form.dataset.typed !== undefined // the function shows what was typed
  byId('plain-note').hidden = true
  byId('script-note').hidden = false
  byId('script-note').after(byId('own-template').content.cloneNode(true))

  form.addEventListener('submit', (event) => {
    event.preventDefault()
    guarded(read)()
  })
  byId('problems').addEventListener('click', follow)
  for (const kind of ['input', 'change']) {
    document.addEventListener(kind, () => {
      typedAnything = true
      askWishes()
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
  if (byId('look')) {
    seeMine = startMine({ guarded, clearPage, startMoving })
    return
  }
  // Early, so that nobody fills in a form that is closed. A failing network is said when it matters.
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
