/**
 * The document helper: boxes to tick in the tables of papers, and what the ticked ones come to. It has
 * no words of its own. Nothing ticked is sent, stored or written into the address; leaving clears it.
 */
import { judge, readRules } from './judge.js'
import { leaveBy } from './leave.js'
import { byId, empty, make, on, put, say, word } from './page.js'

const rules = readRules(JSON.parse(byId('rules').content.textContent))
const answer = byId('answer')
const ages = [...document.querySelectorAll('#helper input')]
const boxes = new Map() // by the id of the paper

/** A box into each row, whose label is what the row says. */
function addBoxes() {
  for (const row of document.querySelectorAll('tr[data-paper]')) {
    const cell = row.querySelector('th')
    const label = make('label', 'choice')
    const box = make('input')
    const text = make('span')
    box.type = 'checkbox'
    box.autocomplete = 'off' // or a reload would tick it again
    while (cell.firstChild) text.appendChild(cell.firstChild)
    label.appendChild(box)
    label.appendChild(text)
    cell.appendChild(label)
    boxes.set(row.dataset.paper, box)
  }
}

/** What the row of a paper says: `name`, or `when`, the conditions on which it counts. */
function said(id, part) {
  const found = boxes.get(id).nextSibling.querySelector(`.${part}`)
  return found ? found.textContent : ''
}

const nameOf = (id) => said(id, 'name')

/** A paper on a list: its name, and below it the conditions. */
function listed(id) {
  const when = said(id, 'when')
  return [make('span', '', nameOf(id)), ...(when ? [make('span', 'small', when)] : [])]
}

/** A text of the page filled in; nothing if the page has no such text. */
function told(name, values) {
  const nodes = word(name)
  for (const node of nodes) {
    if (node.dataset && node.dataset.fill) put(node, values[node.dataset.fill])
  }
  return nodes
}

/** Fills a part of the answer with one line for each of `rows`, and hides it when there is none. */
function list(name, rows) {
  const part = answer.querySelector(`[data-part=${name}]`)
  const lines = part.querySelector('ul') || part
  part.hidden = !rows.length
  empty(lines)
  for (const nodes of rows) {
    const line = make('li')
    say(line, nodes)
    lines.appendChild(line)
  }
}

function show() {
  const chosen = [...boxes.keys()].filter((id) => boxes.get(id).checked)
  const { age, caretaker } = ages.find((input) => input.checked).dataset
  const found = judge(rules, chosen, Number(age), caretaker !== undefined)
  const some = chosen.length > 0 && found.state !== 'young'
  const state = some || found.state === 'young' ? found.state : 'none'
  const missing = some
    ? Object.keys(found.missing).map((need) => told(`need ${need}`, { number: found.missing[need] }))
    : []
  const ask = found.ask.map((it) =>
    boxes.has(it) ? told('ask paper', { paper: nameOf(it) }) : told(`ask ${it}`),
  )
  const add = found.add.map((ids) =>
    ids.reduce((line, id) => [...line, ...(line.length ? [make('b', '', '+ ')] : []), ...listed(id)], []),
  )
  // A paper that only perhaps counts, and is not needed, better stays at home.
  const doubtful = (id) => rules.papers.find((paper) => paper.id === id).doubtful
  const needless = (id) => found.beside[id] || (state === 'enough' && doubtful(id))
  const bring = chosen.filter((id) => !needless(id)).map(listed)
  const beside = Object.keys(found.beside).map((id) =>
    told('beside', { paper: nameOf(id), other: nameOf(found.beside[id]) }),
  )

  say(answer.querySelector('[data-part=state]'), word(state))
  list('missing', missing)
  list('ask', some ? ask.filter((line) => line.length) : [])
  list('add', some ? add : [])
  list('bring', some ? [...bring, ...(found.caretaker ? [word('caretaker')] : [])] : [])
  list('beside', beside)
  document.documentElement.classList.toggle('only-answer', some)

  // One text, so that it is read out once and whole.
  const text = (nodes) => nodes.map((node) => node.textContent).join('')
  const lines = missing.map(text)
  put(byId('said'), state === 'none' ? '' : `${text(word(state))} ${lines.join(' \u00b7 ')}`)
  byId('verdict').classList.toggle('quiet', state === 'none')
}

/** The page as it was before anything was ticked. */
function clear() {
  for (const box of boxes.values()) box.checked = false
  for (const input of ages) input.checked = input.defaultChecked
  for (const group of document.querySelectorAll('details')) group.open = false
  show()
}

function goTo(heading) {
  heading.focus({ preventScroll: true })
  heading.scrollIntoView()
}

addBoxes()
clear()
for (const id of ['helper', 'verdict', 'answer']) byId(id).hidden = false
document.addEventListener('change', show)
window.addEventListener('pagehide', clear)
leaveBy(clear)
for (const part of [byId('verdict'), answer]) {
  on(part, {
    read: () => goTo(answer.querySelector('h2')),
    print: () => window.print(),
    clear: () => {
      clear()
      goTo(byId('helper').querySelector('h2'))
    },
  })
}
