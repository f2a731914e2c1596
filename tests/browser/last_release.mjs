// Signed papers, as programme.py gives them, read from standard input by the scripts of the release
// before: a page that was left open. Prints how many times it would show.
import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { readFileSync } from 'node:fs'

import { verifyBundle, verifyOpenings } from '../vectors/reader-1.mjs'

globalThis.crypto ??= webcrypto
const { queue, trust, now, free, papers } = JSON.parse(readFileSync(0, 'utf8'))
const page = { queue, ...trust, now: now * 1000 }
assert.equal((await verifyBundle(papers['bundle#main#2026-W49'], page)).epoch, '2026-W49')
const ahead = { ...page, epoch: '2026-W50' }
assert.equal((await verifyBundle(papers['bundle#main#2026-W50'], ahead)).epoch, '2026-W50')
const answer = { devices: papers.devices, openings: papers['openings#main'], free }
try {
  console.log((await verifyOpenings(answer, '', page)).length)
} catch (error) {
  assert.equal(error.message, 'device') // whole keys: it knows labels only
  console.log(0)
}
