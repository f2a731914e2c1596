/**
 * Reading typed text into a request, and packing it to a fixed size. The same rules as
 * functions/quietdesk/request.py, which has the reasons; tests/vectors/request.json pins both.
 */
import { SPACE, b64 } from './code.js'
import { parseOpening } from './openings.js'

const ANY = 'any'
const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
const PARTS_OF_DAY = ['am', 'pm', 'eve']
const WINDOWS = [].concat(...DAYS.map((day) => PARTS_OF_DAY.map((part) => `${day}-${part}`)))
const REACH = ['text', 'call', 'voicemail']
const PHONE_OWNERS = ['mine', 'shared', 'helper']
const MAX_CENTERS = 6
const NAME_LETTERS = 80
const PART_BYTES = 1024
const WRITES = 1 // the number of fields; request.py says when it becomes 2
const FIELDS = [
  'centers', 'windows', 'opening', 'people', 'children', 'visit_type', 'language', 'access', 'name',
  'reach', 'phone', 'phone_owner',
]

const ZEROS = [0x0660, 0x06f0, 0x0966, 0x09e6, 0xff10] // the digit 0 of the scripts people write in
const HIDDEN =
  // eslint-disable-next-line no-control-regex
  /[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g
const PHONE_MARKS = /[\s().\-\u2010-\u2015/]/g

/** What was filled in needs another look; `fields` maps a field to a problem code. */
export class Invalid extends Error {
  constructor(fields) {
    super('fields need another look')
    this.fields = fields
  }
}

/** A part does not fit; `field` is the text to shorten. */
export class TooLong extends Invalid {
  constructor(field) {
    super({ [field]: 'too_long' })
    this.field = field
  }
}

/**
 * The request in a filled-in form. `typed` maps a field to a list of texts; `rules` has the ids that
 * the form offers: centers, visit_types, languages, access, and max_people; opening_centers are those
 * where a time may be taken. Throws Invalid.
 */
export function parse(typed, rules) {
  const problems = {}
  const given = (field) => typed[field] || []

  const one = (field) => {
    const filled = given(field).filter((text) => trimmed(text))
    return filled.length ? trimmed(filled[0]) : ''
  }
  const choice = (field, allowed, needed) => {
    const value = one(field)
    if (!value && needed) problems[field] = 'missing'
    else if (value && !allowed.includes(value)) problems[field] = 'unknown'
    return value
  }
  const choices = (field, allowed, most, needed) => {
    const ticked = new Set(given(field).map(trimmed).filter(Boolean))
    if (needed && ticked.has(ANY)) return [ANY]
    if (needed && !ticked.size) problems[field] = 'missing'
    else if (![...ticked].every((value) => allowed.includes(value))) problems[field] = 'unknown'
    else if (ticked.size > most) problems[field] = 'too_many'
    return allowed.filter((value) => ticked.has(value))
  }
  const number = (field, least, most, otherwise) => {
    const text = latinDigits(one(field) || otherwise)
    if (!text) problems[field] = 'missing'
    else if (!/^[0-9]{1,3}$/.test(text)) problems[field] = 'number'
    else if (Number(text) < least || Number(text) > most) problems[field] = 'range'
    else return Number(text)
    return most
  }

  // Who takes a time has said where and when.
  const opening = one('opening')
  let centers = []
  let windows = []
  if (opening) {
    centers = centerOf(opening, rules)
    if (!centers.length) problems.opening = 'unknown'
  } else {
    centers = choices('centers', rules.centers, MAX_CENTERS, true)
    windows = choices('windows', WINDOWS, WINDOWS.length, true)
  }
  const people = number('people', 1, rules.max_people, '')
  const children = number('children', 0, people, '0')
  const visit_type = choice('visit_type', rules.visit_types, true)
  const language = choice('language', rules.languages, true)
  const access = choices('access', rules.access, rules.access.length, false)

  const name = plain(one('name'))
  if (!name) problems.name = 'missing'
  else if (Array.from(name).length > NAME_LETTERS) problems.name = 'too_long'

  const reach = choices('reach', REACH, REACH.length, false)
  const phone = latinDigits(one('phone').replace(HIDDEN, '').replace(PHONE_MARKS, ''))
  let phone_owner = choice('phone_owner', PHONE_OWNERS, reach.length > 0)
  if (reach.length && !phone) problems.phone = 'missing'
  else if (phone && !/^\+?[0-9]{7,15}$/.test(phone)) problems.phone = 'phone'
  else if (phone && !reach.length && !problems.reach) problems.reach = 'choose'
  if (!reach.length) phone_owner = ''

  const wrong = FIELDS.filter((field) => problems[field])
  if (wrong.length) {
    const fields = {}
    for (const field of wrong) fields[field] = problems[field]
    throw new Invalid(fields)
  }
  return {
    centers, windows, opening, people, children, visit_type, language, access, name, reach, phone,
    phone_owner,
  }
}

/**
 * The two parts of a request, 1,024 bytes each; the reply key travels in contact. From 2 on, `number`
 * says which fields they have. Throws TooLong.
 */
export function pack(request, replyKey, number = WRITES) {
  const { reach, phone, phone_owner, ...visit } = request
  const contact = { reach, phone, phone_owner, reply_key: b64(replyKey) }
  const numbered = number > 1 ? { f: number } : {}
  return {
    visit: padded({ ...numbered, ...visit }, 'name'),
    contact: padded({ ...numbered, ...contact }, 'phone'),
  }
}

function padded(values, field) {
  const text = new TextEncoder().encode(JSON.stringify(values))
  if (text.length > PART_BYTES) throw new TooLong(field)
  return new Uint8Array(PART_BYTES).fill(0x20).map((space, at) => (at < text.length ? text[at] : space))
}

function centerOf(opening, rules) {
  try {
    const { center } = parseOpening(opening)
    return rules.opening_centers.includes(center) ? [center] : []
  } catch (error) {
    return []
  }
}

const ENDS = new RegExp(`^${SPACE}+|${SPACE}+$`, 'g')
const RUNS = new RegExp(`${SPACE}+`, 'g')

function trimmed(text) {
  return text.replace(ENDS, '')
}

function plain(text) {
  return trimmed(text.normalize('NFC').replace(HIDDEN, '').replace(RUNS, ' '))
}

function latinDigits(text) {
  return Array.from(text, (letter) => {
    const point = letter.codePointAt(0)
    const zero = ZEROS.find((start) => point >= start && point < start + 10)
    return zero === undefined ? letter : String(point - zero)
  }).join('')
}
