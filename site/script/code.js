/**
 * The reference code and the secrets that derive from it; and how bytes are written as text.
 * The same as functions/quietdesk/codes.py; docs/envelope.md has the bytes.
 */

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ' // Crockford base32
const ROUNDS = 100000

// White space as Python's str.strip and str.split know it; JavaScript's differs at the edges.
export const SPACE =
  '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]'
const BETWEEN = new RegExp(`${SPACE}|-`, 'g') // what may stand between the letters of a code

const utf8 = (text) => new TextEncoder().encode(text)

/** What was typed is not a code. */
export class BadCode extends Error {}

/** A fresh code of 80 random bits, written `7K3M-9QXT-2B6H-W3ZD`. */
export function newCode() {
  return write(crypto.getRandomValues(new Uint8Array(10)))
}

/** The code as newCode writes it, from what a person typed. Throws BadCode. */
export function parseCode(text) {
  return write(read(text))
}

/** The secrets of a code in one deployment: id (16 bytes), auth, reply and authHash (32 each). */
export async function derive(code, deployment) {
  const password = await crypto.subtle.importKey('raw', read(code), 'PBKDF2', false, ['deriveBits'])
  const salt = utf8(`quietdesk/1|${deployment}`)
  const stretch = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations: ROUNDS }
  const stretched = await crypto.subtle.deriveBits(stretch, password, 256)
  const key = await crypto.subtle.importKey('raw', stretched, 'HKDF', false, ['deriveBits'])
  const expand = async (label, length) => {
    const info = utf8(`quietdesk/1|code|${label}`)
    const hkdf = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info }
    return new Uint8Array(await crypto.subtle.deriveBits(hkdf, key, length * 8))
  }
  const auth = await expand('auth', 32)
  return {
    id: await expand('id', 16),
    auth,
    reply: await expand('reply', 32),
    authHash: new Uint8Array(await crypto.subtle.digest('SHA-256', auth)),
  }
}

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

function write(bytes) {
  let bits = ''
  for (const byte of bytes) bits += byte.toString(2).padStart(8, '0')
  const letters = bits.match(/.{5}/g).map((five) => ALPHABET[parseInt(five, 2)])
  return letters.join('').match(/.{4}/g).join('-')
}

function read(text) {
  const letters = String(text)
    .replace(BETWEEN, '')
    .toUpperCase()
    .replace(/O/g, '0')
    .replace(/[IL]/g, '1')
  if (letters.length !== 16) throw new BadCode()
  let bits = ''
  for (const letter of letters) {
    const value = ALPHABET.indexOf(letter)
    if (value < 0) throw new BadCode()
    bits += value.toString(2).padStart(5, '0')
  }
  return Uint8Array.from(bits.match(/.{8}/g), (eight) => parseInt(eight, 2))
}
