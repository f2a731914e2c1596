/**
 * What a set of papers comes to: advice, never a promise, for staff decide. The build counts the same way
 * (functions/quietdesk/website/papers.py), and tests compare the two; tests/vectors/documents.json has
 * the cases.
 */
const MOST_ADDED = 3 // papers in one suggestion, and suggestions in one answer

/** The rules as the build wrote them (`Rules.data`), with the papers in their order. */
export function readRules(data) {
  const papers = Object.entries(data.papers).map(
    ([id, [counts, photo, dob, doubtful, ...above]]) => ({ id, counts, photo, dob, doubtful, above }),
  )
  const [minimum, caretakerThrough, waiverThrough] = data.ages
  return Object.assign({}, data, { papers, minimum, caretakerThrough, waiverThrough })
}

/**
 * What the papers of the ids in `chosen` come to for somebody of `age` years who comes with a caretaker
 * or not. It gives
 *   state: `enough`, `missing`, `ask` or `young` (below the least age; the rest is then empty),
 *   missing: need to how much of it is lacking, even if every doubt turns out well: those of the rules,
 *     and `total`, `photo`, `dob`, `caretaker`,
 *   ask: what hangs on a doubt: the same names, and the doubtful papers,
 *   beside: a paper that does not count, to the one that counts in its place,
 *   add: sets of papers, easiest first, each of which would make this enough,
 *   caretaker: whether a caretaker must come, with proof of the relationship.
 */
export function judge(rules, chosen, age, caretaker) {
  if (age < rules.minimum) {
    return { state: 'young', missing: {}, ask: [], beside: {}, add: [], caretaker: false }
  }
  const papers = rules.papers.filter(({ id }) => chosen.includes(id))
  const waived = caretaker && age <= rules.waiverThrough
  const sure = best(rules, papers, waived, false)
  const lacking = sum(sure.short) > 0
  const { short, counted } = lacking ? best(rules, papers, waived, true) : sure
  const missing = Object.assign({}, short)
  const ask = Object.keys(sure.short).filter((need) => (short[need] || 0) < sure.short[need])
  if (lacking) ask.push(...counted.filter(({ doubtful }) => doubtful).map(({ id }) => id))
  const required = age <= rules.caretakerThrough
  if (required && !caretaker) missing.caretaker = 1
  const photo = counted.some((paper) => paper.photo === 2 && !paper.doubtful)
  return {
    state: sum(missing) ? 'missing' : lacking ? 'ask' : 'enough',
    missing,
    ask,
    beside: beside(papers, counted),
    add: lacking ? additions(rules, papers, waived) : [],
    caretaker: required || (waived && rules.photo && !photo),
  }
}

const sum = (short) => Object.values(short).reduce((all, one) => all + one, 0)

/** The least that is lacking, over every way and every counting, and the papers counted. */
function best(rules, papers, waived, doubts) {
  const known = doubts ? 1 : 2
  let found = null
  for (const counted of countings(papers.filter(({ doubtful }) => doubts || !doubtful))) {
    for (const way of rules.ways) {
      const all = rules.once ? matched(counted, way) : summed(counted, way)
      if (rules.total) {
        const have = counted.reduce((points, { counts }) => points + sum(counts), 0)
        all.total = rules.total - have - sum(all)
      }
      if (rules.photo && !waived) all.photo = counted.some(({ photo }) => photo >= known) ? 0 : 1
      if (rules.dob) all.dob = counted.some(({ dob }) => dob >= known) ? 0 : 1
      const short = {}
      for (const [need, lacking] of Object.entries(all)) if (lacking > 0) short[need] = lacking
      if (!found || sum(short) < sum(found.short)) found = { short, counted }
    }
  }
  return found
}

/** The sets that may count together: of a paper and one that supersedes it, only one does. */
function countings(papers) {
  for (const weak of papers) {
    for (const strong of papers) {
      if (!weak.above.includes(strong.id)) continue
      const without = countings(papers.filter((paper) => paper !== weak))
      if (alwaysBetter(strong, weak, papers)) return without
      return [...without, ...countings(papers.filter((paper) => paper !== strong))]
    }
  }
  return [papers]
}

/** Whether `weak` can be left out without a look: `strong` gives at least as much, and excludes
 * nothing that `weak` does not exclude. */
function alwaysBetter(strong, weak, papers) {
  return (
    strong.doubtful <= weak.doubtful &&
    strong.photo >= weak.photo &&
    strong.dob >= weak.dob &&
    Object.entries(weak.counts).every(([need, points]) => (strong.counts[need] || 0) >= points) &&
    papers.every(
      (other) =>
        other === weak || other === strong || !exclude(other, strong) || exclude(other, weak),
    )
  )
}

function exclude(one, other) {
  return other.above.includes(one.id) || one.above.includes(other.id)
}

/** What is lacking when a paper counts for everything it can. */
function summed(papers, way) {
  const short = {}
  for (const [need, least] of Object.entries(way)) {
    const have = papers.reduce((points, { counts }) => points + (counts[need] || 0), 0)
    short[need] = Math.max(0, least - have)
  }
  return short
}

/** What is lacking when a paper counts in one list only: as many places are filled as can be
 * (augmenting paths). */
function matched(papers, way) {
  const holds = new Map()
  const place = (need, seen) => {
    for (const { id, counts } of papers) {
      if (!counts[need] || seen.has(id)) continue
      seen.add(id)
      if (!holds.has(id) || place(holds.get(id), seen)) {
        holds.set(id, need)
        return true
      }
    }
    return null
  }
  const short = {}
  for (const [need, least] of Object.entries(way)) {
    short[need] = least
    for (let n = 0; n < least; n += 1) if (place(need, new Set())) short[need] -= 1
  }
  return short
}

/** Each paper left out of the counting, and the first counted one that excludes it. */
function beside(papers, counted) {
  const found = {}
  for (const paper of papers) {
    const other = counted.includes(paper) ? null : counted.find((it) => exclude(it, paper))
    if (other) found[paper.id] = other.id
  }
  return found
}

/** The smallest sets of easy papers that make this enough, without any doubt. */
function additions(rules, papers, waived) {
  const offered = rules.easy
    .map((id) => rules.papers.find((paper) => paper.id === id))
    .filter((easy) => !papers.some((paper) => paper === easy || exclude(paper, easy)))
  for (let size = 1; size <= MOST_ADDED; size += 1) {
    const found = []
    for (const extra of combinations(offered, size)) {
      const { short } = best(rules, [...papers, ...extra], waived, false)
      if (!sum(short)) found.push(extra.map(({ id }) => id))
      if (found.length === MOST_ADDED) break
    }
    if (found.length) return found
  }
  return []
}

function* combinations(items, size, from = 0) {
  if (!size) yield []
  for (let at = from; size && at < items.length; at += 1) {
    for (const rest of combinations(items, size - 1, at + 1)) yield [items[at], ...rest]
  }
}
