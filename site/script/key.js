/**
 * Which key to lock with: this week's, or the one of a week that is named, asked for once an hour and
 * used only when it is signed by whom we believe.
 */
import { ask, trust } from './ask.js'
import { verifyBundle } from './bundle.js'
import { Closed, Later } from './fail.js'

const KEY_MS = 3_600_000

let keys = {} // week, or current: {bundle, at}

/** The bundle of this week, or of the week named, checked. Throws Closed when it must not be used,
 * Later when it can't be had now. */
export async function theKey(epoch) {
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

/** Our computer says that the week is over: its key is asked for anew. */
export function forgetKeys() {
  keys = {}
}
