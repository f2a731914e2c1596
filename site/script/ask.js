/**
 * How our computer is asked: without cookies, without saying from where, and never for longer than a
 * minute.
 */
import { form } from './page.js'

const ANSWER_MS = 60_000

/** What our computer answers: {status, bytes, text}. Throws when it can't be reached. */
export async function ask(address, options) {
  const stop = new AbortController()
  const timer = setTimeout(() => stop.abort(), ANSWER_MS)
  try {
    const answer = await fetch(address, {
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
      cache: 'no-store',
      ...options,
      signal: stop.signal,
    })
    const bytes = new Uint8Array(await answer.arrayBuffer())
    return { status: answer.status, bytes, text: new TextDecoder().decode(bytes) }
  } finally {
    clearTimeout(timer)
  }
}

export function postJson(address, values) {
  const headers = { 'Content-Type': 'application/json' }
  return ask(address, { method: 'POST', headers, body: JSON.stringify(values) })
}

/** Whom to believe, as the build wrote it into the form. */
export function trust() {
  const { queue, deployment, custodians, threshold } = form.dataset
  const keys = custodians.split(' ').filter(Boolean)
  return { custodians: keys, threshold: Number(threshold), queue, deployment }
}
