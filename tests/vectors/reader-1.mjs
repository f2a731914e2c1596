// How a phone of the release of November 2026 reads signed papers: a page that stays open reads so for
// as long. Its bundle.js and openings.js word for word; never edited. Papers that are signed now must
// pass here.

/** URL-safe base64 without padding. */
export function b64(bytes) {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return btoa(text).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')
}

/** The bytes that b64 wrote, `length` of them if given. Throws TypeError for any other spelling. */
export function unb64(text, length) {
  if (typeof text !== 'string' || !/^[A-Za-z0-9_-]*$/.test(text)) throw new TypeError('base64')
  let raw
  try {
    raw = atob(text.replace(/-/g, '+').replace(/_/g, '/'))
  } catch (error) {
    throw new TypeError('base64')
  }
  const bytes = Uint8Array.from(raw, (letter) => letter.charCodeAt(0))
  // Stray low bits in the last letter would give one value two spellings.
  if (b64(bytes) !== text || (length !== undefined && bytes.length !== length)) {
    throw new TypeError('base64')
  }
  return bytes
}

const TOLERANCE_MS = 26 * 3600 * 1000
const KID = /^([a-z][a-z0-9-]{0,15})\.(visit|contact)\.(\d{4}-W\d\d)\.[0-9a-f]{8}$/

/** The bundle is not one to seal to. `reason`: signatures, malformed, queue, deployment, stale, early,
 * epoch. */
export class BadBundle extends Error {
  constructor(reason) {
    super(reason)
    this.reason = reason
  }
}

/**
 * The keys of a signed bundle: {epoch, queue, keys: {visit: {kid, pk}, contact: {kid, pk}}}.
 * `custodians` are public keys (SPKI, base64), of which `threshold` different ones must have signed;
 * `now` is in milliseconds. With `epoch`, such as 2026-W49, it must be that week's, which may lie
 * ahead. Throws BadBundle.
 */
export async function verifyBundle(raw, { custodians, threshold, queue, deployment, now, epoch }) {
  const body = await verified(raw, 'bundle', custodians, threshold)
  const bundle = read(body)
  if (bundle.queue !== queue) throw new BadBundle('queue')
  if (bundle.deployment !== deployment) throw new BadBundle('deployment')
  // Asked this way round so that a clock or a threshold that is not a number is refused.
  if (!(now <= bundle.notAfter * 1000 + TOLERANCE_MS)) throw new BadBundle('stale')
  if (epoch) {
    if (bundle.epoch !== epoch) throw new BadBundle('epoch')
  } else if (!(now >= bundle.notBefore * 1000 - TOLERANCE_MS)) {
    throw new BadBundle('early')
  }
  return { epoch: bundle.epoch, queue: bundle.queue, keys: bundle.keys }
}

/** The bytes of a signed document, if `threshold` different signers signed them. Throws BadBundle. */
export async function verified(raw, kind, custodians, threshold) {
  let body, sigs
  try {
    const outer = JSON.parse(raw)
    body = unb64(outer.body)
    sigs = outer.sigs.map(({ by, sig }) => ({ by: b64(unb64(by, 8)), sig: unb64(sig, 64) }))
  } catch (error) {
    throw new BadBundle('signatures')
  }
  const prefix = new TextEncoder().encode(`quietdesk/1|${kind}|`)
  const message = new Uint8Array(prefix.length + body.length)
  message.set(prefix)
  message.set(body, prefix.length)
  let good = 0
  for (const spki of new Set(custodians)) {
    if (await signed(unb64(spki), sigs, message)) good += 1
  }
  if (!(threshold >= 1 && good >= threshold)) throw new BadBundle('signatures')
  return body
}

async function signed(spki, sigs, message) {
  const id = b64(new Uint8Array(await crypto.subtle.digest('SHA-256', spki)).slice(0, 8))
  const curve = { name: 'ECDSA', namedCurve: 'P-256' }
  const key = await crypto.subtle.importKey('spki', spki, curve, false, ['verify'])
  const ecdsa = { name: 'ECDSA', hash: 'SHA-256' }
  const byThisKey = sigs.filter(({ by }) => by === id)
  const good = await Promise.all(
    byThisKey.map(({ sig }) => crypto.subtle.verify(ecdsa, key, sig, message)),
  )
  return good.includes(true)
}

function read(body) {
  try {
    const doc = JSON.parse(new TextDecoder().decode(body))
    if (doc.v !== 1 || doc.keys.length !== 2) throw new TypeError('version, or keys')
    if (!Number.isInteger(doc.not_before) || !Number.isInteger(doc.not_after)) {
      throw new TypeError('dates')
    }
    const keys = {}
    for (const { kid, part, pk } of doc.keys) {
      const [, kidQueue, kidPart, kidEpoch] = KID.exec(kid)
      if (kidQueue !== doc.queue || kidPart !== part || kidEpoch !== doc.epoch) {
        throw new TypeError('a key of another queue, part or week')
      }
      keys[part] = { kid, pk: unb64(pk, 1216) }
    }
    if (!keys.visit || !keys.contact) throw new TypeError('one part twice')
    const { epoch, queue, deployment } = doc
    return { epoch, queue, deployment, notBefore: doc.not_before, notAfter: doc.not_after, keys }
  } catch (error) {
    throw new BadBundle('malformed')
  }
}

const ID =
  /^([a-z][a-z0-9_-]{0,31})\.(\d{4}-\d\d-\d\d)\.([01]\d|2[0-3])([0-5]\d)(?:\.([a-z][a-z0-9-]{2,14}))?$/

/** {id, center, day, at, path} of an opening's id. Throws TypeError for anything else. */
export function parseOpening(id) {
  const found = ID.exec(id)
  if (!found) throw new TypeError('opening')
  const [, center, day, hour, minute, path] = found
  const date = new Date(`${day}T00:00:00Z`)
  if (day < '0001' || isNaN(date) || date.toISOString().slice(0, 10) !== day) {
    throw new TypeError('day')
  }
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
  const devices = JSON.parse(
    new TextDecoder().decode(await verified(answer.devices, 'devices', custodians, threshold)),
  )
  // The document names its own key: a device's id is that key's hash, so only it fits.
  const spki = JSON.parse(new TextDecoder().decode(unb64(JSON.parse(answer.openings).body))).spki
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', unb64(spki)))
  const device = Array.from(hash.slice(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('')
  if (devices.deployment !== deployment || !devices.devices.includes(device)) {
    throw new TypeError('device')
  }
  const body = await verified(answer.openings, 'openings', [b64(unb64(spki))], 1)
  const list = JSON.parse(new TextDecoder().decode(body))
  const same = list.v === 1 && list.queue === queue && list.deployment === deployment
  if (!same || list.path !== path || list.taking !== true) throw new TypeError('list')
  return answer.free.map(parseOpening).filter(({ center, day, at, path: own }) => {
    const times = own === path && list.times[center] && list.times[center][day]
    return Boolean(times && times[at])
  })
}
