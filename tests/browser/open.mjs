// Opening an envelope in JavaScript: for tests only, a second implementation beside the desk's.
import { webcrypto } from 'node:crypto'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const unb64 = (text) => new Uint8Array(Buffer.from(text, 'base64url'))
const exact = (bytes) => bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)

/** The two parts of an envelope as text; `seeds` maps a kid to its seed in hex. */
export async function openEnvelope(script, wire, seeds) {
  const require = createRequire(`${script}/package.json`)
  const { Aes256Gcm, CipherSuite, HkdfSha256 } = await import(pathToFileURL(require.resolve('@hpke/core')))
  const { XWing } = await import(pathToFileURL(require.resolve('@hpke/hybridkem-x-wing')))
  const suite = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Aes256Gcm() })
  const opened = {}
  for (const part of ['visit', 'contact']) {
    const { kid, sealed } = wire[part]
    const bytes = unb64(sealed)
    const seed = new Uint8Array(Buffer.from(seeds[kid], 'hex'))
    const recipientKey = await suite.kem.deserializePrivateKey(exact(seed))
    const info = exact(new TextEncoder().encode(`quietdesk/1|part|${kid}|${wire.id}|${wire.born}`))
    const [enc, ct] = [exact(bytes.slice(0, 1120)), exact(bytes.slice(1120))]
    opened[part] = new TextDecoder().decode(await suite.open({ recipientKey, enc, info }, ct))
  }
  return opened
}

/** The desk's answer in an envelope; `key` is the 32-byte reply key. */
export async function openReply(wire, key) {
  const bytes = unb64(wire.reply)
  const additionalData = new TextEncoder().encode(`quietdesk/1|reply|${wire.id}`)
  const gcm = { name: 'AES-GCM', iv: bytes.slice(0, 12), additionalData }
  const aes = await webcrypto.subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt'])
  const text = await webcrypto.subtle.decrypt(gcm, aes, bytes.slice(12))
  return JSON.parse(new TextDecoder().decode(text))
}
