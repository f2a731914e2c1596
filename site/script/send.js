/**
 * Locking and sending. Whatever fails, the same request is never made twice: what may have arrived is
 * sent again unchanged, or under the same code.
 */
import { postJson, trust } from './ask.js'
import { b64, derive, newCode } from './code.js'
import { showDone } from './done.js'
import { Closed, Later } from './fail.js'
import { showProblems } from './fields.js'
import { forgetKeys, theKey } from './key.js'
import { see } from './mine.js'
import { parseOpening, weekOf } from './openings.js'
import { byId, say, show, tell, word } from './page.js'
import { openReply } from './reply.js'
import { pack } from './request.js'
import { seal } from './seal.js'
import { forgetCodes, state } from './state.js'
import { freshTimes, isGone, lookAgain } from './times.js'
import { center } from './visit.js'

/** Sends `state.asked` and shows its code. */
export async function send() {
  for (const button of byId('review').querySelectorAll('button')) button.disabled = true
  try {
    tell('')
    if (!state.sealed) {
      say(byId('progress'), word('locking'))
      state.sealed = await lock()
    }
    say(byId('progress'), word('sending'))
    await (state.moving ? move() : post())
  } finally {
    for (const button of byId('review').querySelectorAll('button')) button.disabled = false
  }
}

/** Asks `state` anew after each wait: the page may have been cleared meanwhile. */
async function lock() {
  const current = await theKey()
  const opening = state.asked.opening ? parseOpening(state.asked.opening) : null
  const bundle = opening ? await theKey(weekOf(opening.day)) : current
  await new Promise((painted) => setTimeout(painted, 50))
  // Under the code of what may have arrived already: never two requests, never a second seat.
  const known = state.moving || state.unsure
  const code = known ? known.code : newCode()
  const secrets = known ? known.secrets : await derive(code, trust().deployment)
  const parts = pack(state.asked, secrets.reply)
  const how = { opening: state.asked.opening, born: current.epoch, reply: await firstReply(opening) }
  return { code, secrets, envelope: await seal(parts, bundle, secrets, how) }
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
  const differs = state.unsure && state.unsure.envelope !== state.sealed.envelope
  if (differs && (await replaced())) return
  state.unsure = state.sealed
  let answer
  let said
  try {
    answer = await postJson('/api/requests', state.sealed.envelope)
    said = JSON.parse(answer.text)
  } catch (error) {
    throw new Later('offline') // it may have arrived: the same bytes go out again
  }
  if (answer.status < 500) state.unsure = null
  if (answer.status !== 201) await refused(answer.status, said.error)
  showDone(said.look_again)
}

async function move() {
  if (await replaced()) return
  forgetCodes() // sent again, it is a new request
  throw new Later('lost')
}

/** Puts the request in the place of the one of its code; whether there was one. */
async function replaced() {
  const { envelope, secrets } = state.sealed
  const asking = { v: 1, do: 'move', auth: b64(secrets.auth), envelope }
  if (state.moving) asking.shown = state.moving.shown
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
  if (stands) showDone(state.asked.opening ? '' : await lookAgain())
  return stands !== null
}

/** Says why our computer did not take it. */
async function refused(status, error) {
  if (status === 503) {
    if (error === 'closed') throw new Closed()
    throw new Later('unsure') // it may have been kept: the same bytes go out again
  }
  if (status >= 500) throw new Later('offline')
  state.sealed = null
  if (error === 'gone') {
    isGone(state.asked.opening)
    await freshTimes()
    show('form-part')
    showProblems({ opening: 'gone' })
    throw new Later('')
  }
  if (error === 'epoch') {
    forgetKeys()
    throw new Later('week_over')
  }
  if (status === 409 && state.moving) {
    await see(state.moving) // what was typed stays in the form
    throw new Later('kept')
  }
  throw new Later('refused')
}
