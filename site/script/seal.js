/**
 * The sealed form of a request, made on the phone. The bytes are in docs/envelope.md; one suite, no
 * options. Opening is the desk's work (functions/quietdesk/envelopes.py).
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
import { sealReply } from './reply.js'

const utf8 = (text) => new TextEncoder().encode(text)

/**
 * The envelope of a request, as it is posted. `parts` are 1,024 bytes each, `bundle` is what
 * verifyBundle gave, `secrets` what derive gave. `opening` is the id of a taken time, whose week the
 * bundle is of; `born` is then the current week.
 */
export async function seal(parts, bundle, secrets, { opening, born, reply } = {}) {
  const id = b64(secrets.id)
  const week = born || bundle.epoch
  return {
    v: 1,
    queue: bundle.queue,
    id,
    auth_hash: b64(secrets.authHash),
    born: week,
    opening: opening || '',
    visit: await sealPart(parts.visit, bundle.keys.visit, id, week),
    contact: await sealPart(parts.contact, bundle.keys.contact, id, week),
    reply: b64(await sealReply(reply || { state: 'waiting' }, secrets.reply, secrets.id)),
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

/** The bytes as an ArrayBuffer of their own, as the library wants them. */
function buffer(bytes) {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
}
