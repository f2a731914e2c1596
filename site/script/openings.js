/**
 * The published times: verified before they are shown, since they say where people come to.
 * The same as functions/quietdesk/openings.py; docs/envelope.md has the bytes.
 */
import { b64, unb64 } from './code.js'
import { isDay, readSigned } from './bundle.js'

const ID =
  /^([a-z][a-z0-9_-]{0,31})\.(\d{4}-\d\d-\d\d)\.([01]\d|2[0-3])([0-5]\d)(?:\.([a-z][a-z0-9-]{2,14}))?$/

/** {id, center, day, at, path} of an opening's id. Throws TypeError for anything else. */
export function parseOpening(id) {
  const found = ID.exec(id)
  if (!found) throw new TypeError('opening')
  const [, center, day, hour, minute, path] = found
  if (!isDay(day)) throw new TypeError('day')
  return { id, center, day, at: `${hour}:${minute}`, path: path || '' }
}

/** The ISO 8601 week of a day: `2026-W49`, whose key a visit on that day is sealed to. */
export function weekOf(day) {
  const thursday = new Date(`${day}T00:00:00Z`)
  thursday.setUTCDate(thursday.getUTCDate() + 3 - ((thursday.getUTCDay() + 6) % 7))
  const year = thursday.getUTCFullYear()
  const week = 1 + Math.floor((thursday - Date.UTC(year, 0, 1)) / (7 * 24 * 3600 * 1000))
  return `${String(year).padStart(4, '0')}-W${String(week).padStart(2, '0')}`
}

/**
 * The free openings of an answer of /api/openings, in its order. `trust` is as for verifyBundle.
 * Throws BadBundle or TypeError unless an admitted device signed a list that has each of them.
 */
export async function verifyOpenings(answer, path, trust) {
  const { custodians, threshold, queue, deployment } = trust
  const devices = await readSigned(answer.devices, 'devices', custodians, threshold, [1, 2])
  if (devices.deployment !== deployment) throw new TypeError('deployment')
  const signers = await admitted(devices, answer.openings)
  const list = await readSigned(answer.openings, 'openings', signers, 1)
  const same = list.queue === queue && list.deployment === deployment
  if (!same || list.path !== path || list.taking !== true) throw new TypeError('list')
  return answer.free.map(parseOpening).filter(({ center, day, at, path: own }) => {
    const times = own === path && list.times[center] && list.times[center][day]
    return Boolean(times && times[at])
  })
}

/** The public keys one of which must have signed a list: see signers in functions/quietdesk/devices.py. */
async function admitted({ v, devices }, list) {
  if (v === 2) return devices.map(({ spki }) => b64(unb64(spki)))
  const spki = unb64(JSON.parse(new TextDecoder().decode(unb64(JSON.parse(list).body))).spki)
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', spki))
  const label = Array.from(hash.slice(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('')
  return devices.includes(label) ? [b64(spki)] : []
}
