// Seals one request with the page's own modules and prints the envelope. Reads from standard input:
// {script, code, deployment, typed, rules, bundle: {epoch, queue, keys: {part: {kid, pk}}}}, pk in base64.
import { webcrypto } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

globalThis.crypto ??= webcrypto
const { script, code, deployment, typed, rules, bundle } = JSON.parse(readFileSync(0, 'utf8'))
const from = (name) => import(pathToFileURL(`${script}/${name}`))
const { derive, unb64 } = await from('code.js')
const { pack, parse } = await from('request.js')
const { seal } = await from('seal.js')

for (const key of Object.values(bundle.keys)) key.pk = unb64(key.pk, 1216)
const secrets = await derive(code, deployment)
console.log(JSON.stringify(await seal(pack(parse(typed, rules), secrets.reply), bundle, secrets)))
