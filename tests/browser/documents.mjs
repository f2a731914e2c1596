// What the page's own evaluator says. Reads {cities: {name: rules}, cases: [{city, chosen, age,
// caretaker}]} and prints a list of answers. Usage: node documents.mjs FOLDER-OF-site/script
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

const { judge, readRules } = await import(pathToFileURL(`${process.argv[2]}/judge.js`))
const { cities, cases } = JSON.parse(readFileSync(0, 'utf8'))
const rules = Object.fromEntries(
  Object.entries(cities).map(([name, data]) => [name, readRules(data)]),
)
const answers = cases.map(({ city, chosen, age, caretaker }) =>
  judge(rules[city], chosen, age, caretaker),
)
process.stdout.write(JSON.stringify(answers))
