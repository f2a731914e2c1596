/**
 * Which key to lock a request with: the week's signed bundle, verified before it is parsed.
 * The same as functions/quietdesk/bundles.py and signed.py, but for the clock: a phone's may be a day wrong.
 */
import { b64, unb64 } from './code.js'

const TOLERANCE_MS = 26 * 3600 * 1000
const KID = /^([a-z][a-z0-9-]{0,15})\.(visit|contact)\.(\d{4}-W\d\d)\.[0-9a-f]{8}$/

/** The bundle is not one to seal to. `reason`: signatures, malformed, type, queue, deployment, stale,
 * early, epoch. */
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
  const bundle = read(await readSigned(raw, 'bundle', custodians, threshold))
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

/**
 * What a signed document says, if `threshold` different signers signed it as this kind, and it is of one
 * of the versions. Those that were signed before say neither type nor number nor day. Throws BadBundle.
 */
export async function readSigned(raw, kind, signers, threshold, versions = [1]) {
  const body = await verified(raw, kind, signers, threshold)
  let doc
  try {
    doc = JSON.parse(new TextDecoder().decode(body))
    const { v, number = 0, day } = doc
    if (!versions.includes(v) || !Number.isSafeInteger(number) || number < 0) throw new TypeError('number')
    if (day !== undefined && !isDay(day)) throw new TypeError('day')
  } catch (error) {
    throw new BadBundle('malformed')
  }
  if ('type' in doc && doc.type !== kind) throw new BadBundle('type')
  return doc
}

/** Whether a text is a day that exists, written `2026-12-03`. */
export function isDay(text) {
  const date = new Date(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : NaN)
  return !isNaN(date) && date.toISOString().slice(0, 10) === text && text >= '0001'
}

/** The bytes of a signed document, if `threshold` different signers signed them. Throws BadBundle. */
async function verified(raw, kind, custodians, threshold) {
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
  const ecdsa = { name: 'ECDSA', hash: 'SHA-256' }
  const good = await Promise.all(
    sigs
      .filter(({ by }) => by === id) // of ten devices' keys one is needed, and imported
      .map(async ({ sig }) => {
        const key = await crypto.subtle.importKey('spki', spki, curve, false, ['verify'])
        return crypto.subtle.verify(ecdsa, key, sig, message)
      }),
  )
  return good.includes(true)
}

function read(doc) {
  try {
    if (doc.keys.length !== 2) throw new TypeError('keys')
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
