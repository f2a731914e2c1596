/**
 * The free times on the page: fetched, verified, shown center by center. Where they can't be had,
 * the page is the request form.
 */
import { ask, trust } from './ask.js'
import { verifyOpenings } from './openings.js'
import { byId, empty, fillIn, form, make, put } from './page.js'
import { center, dayAndTime, dayInWords, timeInWords, visitInWords } from './visit.js'

const FRESH_MS = 3_600_000

let chosen = ''
let told = { day: '', at: 0 } // the day to look again, as our computer said it, and when
const gone = new Set() // what somebody else took; lists are a minute old

/** The id of the opening that is ticked, or "". */
export function openingTicked() {
  const ticked = form.querySelector('input[name=opening]:checked')
  return ticked ? ticked.value : ''
}

/** The day to look again, "" where our computer cannot be asked; asked anew on a page that was open
 * for long. */
export async function lookAgain() {
  if (Date.now() - told.at > FRESH_MS) await freshTimes()
  return told.day
}

/** This opening was taken by somebody else. */
export function isGone(id) {
  gone.add(id)
}

/** The time that a request has may be kept when it is moved, also when no seat is left for others. */
export function keepTime(reply) {
  const box = byId('keep')
  const input = box.querySelector('input')
  const { opening, name, address } = reply
  const ahead = opening && new Date(`${opening.day}T${opening.at}`) > new Date()
  box.hidden = input.disabled = !ahead
  input.value = ahead ? opening.id : ''
  if (!ahead) return
  if (!center(opening.center).name) {
    const known = make('li')
    Object.assign(known.dataset, { center: opening.center, name, address, shown: address, unlisted: '', kept: '' })
    byId('centers').appendChild(known)
  }
  const said = visitInWords(reply)
  fillIn(box, { keep: `${said.name}: ${dayAndTime(opening.day, opening.at)}` })
  if (!openingTicked()) input.checked = true
}

/** Forgets which time was ticked, and which one a request has. */
export function forgetTime() {
  chosen = ''
  gone.clear()
  const box = byId('keep')
  const input = box.querySelector('input')
  box.hidden = input.disabled = true
  input.checked = false
  input.value = ''
  put(box.querySelector('[data-fill]'), '')
  for (const known of document.querySelectorAll('#centers [data-kept]')) known.remove()
}

/** Fetches the times anew and shows them; what was ticked stays ticked if it is still free. */
export async function freshTimes() {
  chosen = openingTicked()
  const { path } = byId('q-opening').dataset
  let openings = []
  told = { day: '', at: 0 }
  try {
    const { status, text } = await ask(`/api/openings${path ? `/${path}` : ''}`, { cache: 'default' })
    if (status === 200) {
      const answer = JSON.parse(text)
      if (/^\d{4}-\d\d-\d\d$/.test(answer.look_again)) {
        told = { day: answer.look_again, at: Date.now() }
      }
      if (answer.openings) openings = await verifyOpenings(answer, path, trust())
    }
  } catch (error) {
    // Not reached, or not signed by whom we believe: no times, and the form asks for wishes.
  }
  const kept = byId('keep').hidden ? '' : byId('keep').querySelector('input').value
  showTimes(openings.filter(({ id }) => id !== kept && !gone.has(id)), kept !== '')
}

/** Where and when can you come: asked only of who takes no time. */
export function askWishes() {
  byId('wishes').hidden = openingTicked() !== ''
}

function showTimes(openings, keeps) {
  const question = byId('q-opening')
  const list = byId('times')
  empty(list)
  if (byId('times-link')) byId('times-link').remove()
  const some = openings.length > 0 || keeps
  question.hidden = !some
  byId('wishes').querySelector('[data-if=times]').hidden = !some
  const byCenter = new Map()
  for (const opening of openings) {
    byCenter.set(opening.center, [...(byCenter.get(opening.center) || []), opening])
  }
  // An organiser's link names a center: its times come first, and open.
  const preset = question.dataset.center
  const ids = [...byCenter.keys()].sort((a, b) => (b === preset) - (a === preset))
  for (const id of ids) list.appendChild(timesOf(id, byCenter.get(id), id === preset))
  if (openingTicked() === '') byId('f-opening').checked = true
  askWishes()
}

function timesOf(id, free, unfolded) {
  const { name, shown } = center(id)
  const details = make('details')
  const summary = make('summary')
  const place = apart(name || id, 'place')
  place.lang = 'en'
  summary.appendChild(place)
  const first = dayAndTime(free[0].day, free[0].at)
  summary.append(' ', make('span', 'small', form.dataset.firstTime.replace('{time}', first)))
  details.appendChild(summary)
  const where = make('p', 'small')
  where.appendChild(apart(shown, ''))
  details.appendChild(where)
  // Hundreds of times are drawn only when somebody looks: old phones are slow.
  const draw = () => {
    if (details.querySelector('.day')) return
    for (const day of new Set(free.map((opening) => opening.day))) {
      details.append(...timesOfDay(id, day, free.filter((opening) => opening.day === day)))
    }
  }
  details.addEventListener('toggle', draw)
  if (unfolded || free.some((opening) => opening.id === chosen)) {
    draw()
    details.open = true
  }
  return details
}

function timesOfDay(id, day, free) {
  const heading = make('p', 'day', dayInWords(day))
  heading.id = `day-${id}-${day}`
  const group = make('div', 'day-times')
  group.setAttribute('role', 'group')
  group.setAttribute('aria-labelledby', heading.id)
  for (const opening of free) {
    const label = make('label', 'time')
    const radio = make('input')
    Object.assign(radio, { type: 'radio', name: 'opening', value: opening.id, autocomplete: 'off' })
    radio.checked = opening.id === chosen
    label.append(radio, make('span', '', timeInWords(opening.at)))
    group.appendChild(label)
  }
  return [heading, group]
}

function apart(text, name) {
  const element = make('bdi', name, text)
  element.dir = 'ltr'
  return element
}
