/**
 * My request: the code is read, everything derives from it on this phone, and our computer is asked for
 * the one envelope of its id. It always answers 284 bytes; only the code tells whether they say
 * something.
 */
import { postJson, trust } from './ask.js'
import { saveCalendar } from './calendar.js'
import { clearPage, forget } from './clear.js'
import { BadCode, b64, derive, parseCode } from './code.js'
import { Later, guarded } from './fail.js'
import { byId, fill, fillIn, on, say, show, tell, word, words } from './page.js'
import { openReply } from './reply.js'
import { state } from './state.js'
import { freshTimes, keepTime } from './times.js'
import { dayInWords, visitInWords } from './visit.js'

const DESK = 'desk' // the path of times that only the desk gives out

const field = byId('f-code') // null on the page that asks for an appointment

/** Waits for a code. */
export function startMine() {
  byId('plain-look-note').hidden = true
  byId('look-form').addEventListener('submit', (event) => {
    event.preventDefault()
    guarded(look)()
  })
}

async function look() {
  let code
  try {
    code = parseCode(field.value)
  } catch (error) {
    if (!(error instanceof BadCode)) throw error
    wrong(true)
    field.focus()
    return
  }
  wrong(false)
  tell('')
  say(byId('progress'), word('looking'))
  await new Promise((painted) => setTimeout(painted, 50))
  await see({ code, secrets: await derive(code, trust().deployment) })
}

function wrong(is) {
  byId('problem-code').hidden = !is
  if (is) field.setAttribute('aria-invalid', 'true')
  else field.removeAttribute('aria-invalid')
}

/** Asks, and gives the reply under the code, with its `hash`; null for none. */
async function askFor(values, secrets, failed) {
  let answer
  try {
    answer = await postJson('/api/requests/check', { v: 1, id: b64(secrets.id), ...values })
  } catch (error) {
    throw new Later(failed)
  }
  if (answer.status === 409) throw new Later('kept')
  if (answer.status !== 200) throw new Later(failed)
  const reply = await openReply(answer.bytes, secrets.reply, secrets.id)
  return reply && { ...reply, hash: await hashed(answer.bytes) }
}

async function hashed(bytes) {
  return b64(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))
}

/** Shows what stands under {code, secrets} now. */
export async function see(mine) {
  const reply = await askFor({ do: 'see' }, mine.secrets, 'look_failed')
  if (!reply) {
    panel('nothing', { again: () => show('look') })
    return
  }
  if (field) field.value = ''
  const shown = panel(reply.state, {
    print: () => window.print(),
    calendar: () => saveCalendar(reply.opening, words('appointment')),
    move: () => startMoving({ ...mine, shown: reply.hash }, reply),
    cancel: () => cancel(mine),
    clear: clearPage,
  })
  const late = reply.lookAgain !== '' && new Date(`${reply.lookAgain}T23:59:59`) < new Date()
  fillIn(shown, {
    ...(reply.opening && visitInWords(reply)),
    'look-again': reply.lookAgain && !late && dayInWords(reply.lookAgain),
    late,
  })
}

/** The form as it is for a request that is moved: of the old one it has the time. */
function startMoving(mine, reply) {
  state.moving = mine
  state.sealed = null
  const { path } = reply.opening || { path: '' }
  byId('q-opening').dataset.path = path === DESK ? '' : path
  keepTime(reply)
  guarded(freshTimes)()
  show('form-part')
}

function cancel(mine) {
  panel('cancel', {
    keep: guarded(() => see(mine)),
    yes: guarded(async () => {
      tell('')
      const auth = b64(mine.secrets.auth)
      const left = await askFor({ do: 'cancel', auth }, mine.secrets, 'not_now')
      if (left) throw new Later('kept')
      forget()
      panel('cancelled', {})
    }),
  })
}

function panel(name, does) {
  const shown = fill('mine', `mine-${name}`)
  on(shown, does)
  show('mine')
  return shown
}
