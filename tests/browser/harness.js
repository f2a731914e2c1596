// The page's own modules for a test in a browser; test_script.py bundles it, with `script` standing
// for the folder of the modules. One call does what the form does between reading and sending.
import { verifyBundle } from 'script/bundle.js'
import { derive } from 'script/code.js'
import { pack, parse } from 'script/request.js'
import { seal } from 'script/seal.js'

globalThis.sealed = async ({ code, raw, pinned, typed, rules }) => {
  const bundle = await verifyBundle(raw, pinned)
  const secrets = await derive(code, pinned.deployment)
  return JSON.stringify(await seal(pack(parse(typed, rules), secrets.reply), bundle, secrets))
}
