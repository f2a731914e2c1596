/**
 * The sealed form of a request, made on the phone. The bytes are in docs/envelope.md; one suite, no
 * options. Opening is the desk's work (functions/quietdesk/envelope.py).
 */
/*!
Sealing is done by @hpke/core, @hpke/common, @hpke/dhkem-x25519, @hpke/hybridkem-x-wing and mlkem:
Copyright (c) 2023-2024 Ajitomi Daisuke. In them are parts of crystals-kyber-javascript:
Copyright (c) 2020 Anton Tutoveanu; and of noble-hashes and noble-curves:
Copyright (c) 2022 Paul Miller (paulmillr.com). All are under the MIT License:

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
*/
import { Aes256Gcm, CipherSuite, HkdfSha256 } from '@hpke/core'
import { XWing } from '@hpke/hybridkem-x-wing'

import { b64 } from './code.js'

const utf8 = (text) => new TextEncoder().encode(text)

/**
 * The envelope of a request, as it is posted. `parts` are 1,024 bytes each, `bundle` is what
 * verifyBundle gave, `secrets` what derive gave.
 */
export async function seal(parts, bundle, secrets) {
  const id = b64(secrets.id)
  return {
    v: 1,
    queue: bundle.queue,
    id,
    auth_hash: b64(secrets.authHash),
    born: bundle.epoch,
    opening: '',
    visit: await sealPart(parts.visit, bundle.keys.visit, id, bundle.epoch),
    contact: await sealPart(parts.contact, bundle.keys.contact, id, bundle.epoch),
    reply: b64(await sealReply({ state: 'waiting' }, secrets.reply, id)),
  }
}

async function sealPart(part, { kid, pk }, id, born) {
  if (part.length !== 1024) throw new RangeError('a part is 1,024 bytes')
  const suite = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Aes256Gcm() })
  const recipientPublicKey = await suite.kem.deserializePublicKey(buffer(pk))
  const info = buffer(utf8(`quietdesk/1|part|${kid}|${id}|${born}`))
  const { ct, enc } = await suite.seal({ recipientPublicKey, info }, buffer(part))
  const sealed = new Uint8Array(enc.byteLength + ct.byteLength)
  sealed.set(new Uint8Array(enc))
  sealed.set(new Uint8Array(ct), enc.byteLength)
  return { kid, sealed: b64(sealed) }
}

async function sealReply(reply, key, id) {
  const iv = crypto.getRandomValues(new Uint8Array(12))
  const additionalData = utf8(`quietdesk/1|reply|${id}`)
  const aes = await crypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt'])
  const text = utf8(JSON.stringify(reply).padEnd(256))
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData }, aes, text)
  const bytes = new Uint8Array(12 + sealed.byteLength)
  bytes.set(iv)
  bytes.set(new Uint8Array(sealed), 12)
  return bytes
}

/** The bytes as an ArrayBuffer of their own, as the library wants them. */
function buffer(bytes) {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
}
