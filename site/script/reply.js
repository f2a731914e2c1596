/**
 * The reply in an envelope: what the phone writes first, and what the desk answers.
 * The same as functions/quietdesk/replies.py.
 */
import { b64 } from './code.js'
import { parseOpening } from './openings.js'

const utf8 = (text) => new TextEncoder().encode(text)
const aad = (id) => utf8(`quietdesk/1|reply|${b64(id)}`)

/** The reply sealed with the code's key: 284 bytes. `id` is the envelope's, 16 bytes. */
export async function sealReply(reply, key, id) {
  const iv = crypto.getRandomValues(new Uint8Array(12))
  const aes = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt'])
  const text = new Uint8Array(256).fill(0x20)
  text.set(utf8(JSON.stringify(reply))) // throws when it does not fit
  const how = { name: 'AES-GCM', iv, additionalData: aad(id) }
  const sealed = new Uint8Array(await crypto.subtle.encrypt(how, aes, text))
  const bytes = new Uint8Array(12 + sealed.length)
  bytes.set(iv)
  bytes.set(sealed, 12)
  return bytes
}

/**
 * What a reply says: {state, lookAgain, opening, name, address}; state is waiting, placed or none.
 * null when it does not open with this key: then there is nothing for this code.
 */
export async function openReply(sealed, key, id) {
  try {
    const aes = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt'])
    const how = { name: 'AES-GCM', iv: sealed.slice(0, 12), additionalData: aad(id) }
    const text = new TextDecoder().decode(await crypto.subtle.decrypt(how, aes, sealed.slice(12)))
    const { state, look_again, opening, name, address } = JSON.parse(text)
    if (!['waiting', 'placed', 'none'].includes(state)) return null
    if ((state === 'placed') !== Boolean(opening)) return null
    return {
      state,
      lookAgain: /^\d{4}-\d\d-\d\d$/.test(look_again || '') ? look_again : '',
      opening: opening ? parseOpening(opening) : null,
      name: String(name || ''),
      address: String(address || ''),
    }
  } catch (error) {
    return null
  }
}
