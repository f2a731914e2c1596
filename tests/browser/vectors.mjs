// Reads tests/vectors with the page's own modules. Prints how many cases of each file held; any
// case that does not hold ends it. Usage: node vectors.mjs FOLDER-OF-site/script FOLDER-OF-vectors
import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

globalThis.crypto ??= webcrypto // node 18 has it under another name
const [, , script, vectors] = process.argv
const from = (name) => import(pathToFileURL(`${script}/${name}`))
const { BadCode, b64, derive, parseCode, unb64 } = await from('code.js')
const { BadBundle, verifyBundle } = await from('bundle.js')
const { Invalid, TooLong, pack, parse } = await from('request.js')
const { parseOpening, verifyOpenings, weekOf } = await from('openings.js')
const { openReply: readReply, sealReply } = await from('reply.js')
const { openEnvelope, openReply } = await import('./open.mjs')

const read = (name) => JSON.parse(readFileSync(`${vectors}/${name}.json`, 'utf8'))
const hex = (bytes) => Buffer.from(bytes).toString('hex')
const text = (bytes) => new TextDecoder().decode(bytes)
const refusedFor = (reason) => (error) => error instanceof BadBundle && error.reason === reason
const counts = {}

const code = read('code')
for (const { code: typed, deployment, ...secrets } of code.derive) {
  const made = await derive(typed, deployment)
  assert.deepEqual({ id: hex(made.id), auth: hex(made.auth), reply: hex(made.reply) }, secrets)
}
for (const { typed, code: expected } of code.read) assert.equal(parseCode(typed), expected)
for (const typed of code.refused) assert.throws(() => parseCode(typed), BadCode, typed)
counts.code = code.derive.length + code.read.length + code.refused.length

const { rules, valid, invalid, too_long } = read('request')
for (const { typed, request, visit, contact } of valid) {
  const asked = parse(typed, rules)
  assert.deepEqual(asked, request)
  const parts = pack(asked, new Uint8Array(32))
  assert.equal(parts.visit.length, 1024)
  assert.equal(text(parts.visit).trimEnd(), visit)
  assert.equal(text(parts.contact).trimEnd(), contact)
}
for (const { typed, problems, centers = rules.centers } of invalid) {
  assert.throws(
    () => parse(typed, { ...rules, centers }),
    (error) => error instanceof Invalid && !assert.deepEqual(error.fields, problems),
    JSON.stringify(typed),
  )
}
for (const { request, field } of too_long) {
  assert.throws(
    () => pack(request, new Uint8Array(32)),
    (error) => error instanceof TooLong && error.field === field && error.fields[field] === 'too_long',
    field,
  )
}
counts.request = valid.length + invalid.length + too_long.length

for (const file of ['bundle', 'bundle_edges', 'bundle_papers']) {
  const { queue, trust, cases, clock = [] } = read(file)
  const [good] = cases
  const told = clock.map((time) => ({ ...good, ...time }))
  for (const { name, raw, now, expect, ...own } of [...cases, ...told]) {
    const check = verifyBundle(raw, { queue, ...(own.trust || trust), ...own, now: now * 1000 })
    if (expect === 'good') assert.equal((await check).epoch, '2026-W47', name)
    else await assert.rejects(check, refusedFor(expect), name)
  }
  // What a page with a missing attribute would pass must refuse, never let everything through.
  for (const unset of [NaN, undefined]) {
    const page = { queue, ...trust, now: good.now * 1000 }
    const unsigned = JSON.stringify({ ...JSON.parse(good.raw), sigs: [] })
    const lax = verifyBundle(unsigned, { ...page, threshold: unset })
    await assert.rejects(lax, refusedFor('signatures'))
    await assert.rejects(verifyBundle(good.raw, { ...page, now: unset }), refusedFor('stale'))
  }
  counts[file] = cases.length + clock.length
}

const envelope = read('envelope')
const { reply } = await derive(envelope.code, envelope.deployment)
counts.envelope = 0
for (const { name, envelope: wire, seeds, expect } of envelope.cases) {
  const opening = openEnvelope(script, wire, seeds || envelope.seeds)
  if (expect === 'opens') {
    const { visit, contact } = await opening
    assert.equal(visit.trimEnd(), envelope.visit, name)
    assert.equal(contact.trimEnd(), envelope.contact, name)
    assert.deepEqual(await openReply(wire, reply), { state: 'waiting' }, name)
  } else if (expect === 'cannot open') await assert.rejects(opening, /OpenError|Invalid/, name)
  else {
    await opening.catch(() => {}) // shapes are for the function and the desk to refuse
    continue
  }
  counts.envelope += 1
}

const openings = read('openings')
for (const { id, week } of openings.good) assert.equal(weekOf(parseOpening(id).day), week, id)
for (const id of openings.bad) assert.throws(() => parseOpening(id), TypeError, id)
for (const { trust: pinned, queue, free, cases } of [openings, read('devices')]) {
  for (const { name, devices, openings: list, path = '', expect } of cases) {
    const verified = verifyOpenings({ devices, openings: list, free }, path, { ...pinned, queue })
    if (expect === 'refused') await assert.rejects(verified, undefined, name)
    else {
      const ids = (await verified).map(({ id }) => id)
      assert.deepEqual(ids, free.filter((id) => parseOpening(id).path === path), name)
    }
  }
}
for (const { code: typed, says, sealed } of openings.replies) {
  const { id, reply: key } = await derive(typed, 'demo')
  const said = await readReply(unb64(sealed), key, id)
  assert.equal(said.state, says.state)
  assert.equal(said.opening ? said.opening.id : undefined, says.opening)
  assert.equal(said.lookAgain, says.look_again || '')
  assert.deepEqual([said.name, said.address], [says.name || '', says.address || ''])
  assert.equal(await readReply(unb64(sealed), key, new Uint8Array(16)), null)
  const again = await sealReply(says, key, id)
  assert.equal(again.length, 284)
  assert.deepEqual(await readReply(again, key, id), said)
}
counts.devices = read('devices').cases.length
counts.openings =
  openings.good.length + openings.bad.length + openings.cases.length + openings.replies.length
// What releases recorded of themselves: signed papers, and requests as they were sealed.
const recorded = (kind) =>
  readdirSync(vectors)
    .filter((file) => file.startsWith(`${kind}-`))
    .map((file) => file.replace('.json', ''))
for (const file of recorded('papers')) {
  const { queue, trust, now, free, papers } = read(file)
  const page = { queue, ...trust, now: now * 1000 }
  for (const [epoch, asked] of [['2026-W49'], ['2026-W50', '2026-W50']]) {
    const found = await verifyBundle(papers[`bundle#main#${epoch}`], { ...page, epoch: asked })
    assert.equal(found.epoch, epoch, file)
  }
  const answer = { devices: papers.devices, openings: papers['openings#main'], free }
  const times = await verifyOpenings(answer, '', page)
  assert.deepEqual(times.map(({ id }) => id), free, file)
  counts[file] = free.length
}
for (const file of recorded('sealed')) {
  const { seeds, deployment, cases } = read(file)
  for (const { name, code: typed, opening, reply: said, envelope: wire, ...told } of cases) {
    const { visit, contact } = await openEnvelope(script, wire, seeds)
    const { f, reply_key, ...values } = { ...JSON.parse(visit), ...JSON.parse(contact) }
    const { id, reply: key } = await derive(typed, deployment)
    const request = { ...told.request, opening }
    const { visit: asVisit = '{}', contact: asContact = '{}' } = told.rest || {}
    const { f: number, ...rest } = { ...JSON.parse(asVisit), ...JSON.parse(asContact) }
    assert.deepEqual(values, { ...request, ...rest }, name)
    assert.equal(f, number || (told.visit ? 2 : undefined), name)
    assert.deepEqual([wire.id, reply_key], [b64(id), b64(key)], name)
    assert.deepEqual(await openReply(wire, key), said, name)
    if (told.visit) {
      const parts = pack(request, key, f)
      assert.deepEqual([text(parts.visit), text(parts.contact)], [visit, contact], name)
    }
  }
  counts[file] = cases.length
}
console.log(JSON.stringify(counts))
