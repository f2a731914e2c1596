/** A visit in words: its day, its time and its place, as the page's language writes them. */
import { form, words } from './page.js'

const filled = (pattern, values) => pattern.replace(/{(\w+)}/g, (_, name) => values[name])

/** `2026-12-03` in words. */
export function dayInWords(day) {
  const [year, month, date] = day.split('-').map(Number)
  const { weekdays, months, dayPattern } = form.dataset
  return filled(dayPattern, {
    weekday: weekdays.split('|')[(new Date(Date.UTC(year, month - 1, date)).getUTCDay() + 6) % 7],
    month: months.split('|')[month - 1],
    month_number: month,
    day: date,
  })
}

/** `14:05` in words. */
export function timeInWords(at) {
  const [hour, minute] = at.split(':')
  return filled(form.dataset.timePattern, {
    hour: Number(hour),
    hour12: Number(hour) % 12 || 12,
    minute,
    half: form.dataset.halves.split('|')[at >= '12' ? 1 : 0],
  })
}

export function dayAndTime(day, at) {
  return filled(form.dataset.dayTime, { day: dayInWords(day), time: timeInWords(at) })
}

/** Name and address of a center of this page, and the address as it is shown: with a mark while
 * nobody has confirmed it. */
export function center(id) {
  const found = document.querySelector(`#centers [data-center="${id}"]`)
  if (!found) return { name: '', address: '', shown: '', unlisted: false }
  const { name, address, shown, unlisted } = found.dataset
  return { name, address, shown, unlisted: unlisted !== undefined }
}

/** What panels have room for: name, address, day and time. */
export function visitInWords({ opening, name, address }) {
  const known = center(opening.center)
  return {
    name: name || known.name || words('ask_where'),
    address: address || known.shown,
    day: dayInWords(opening.day),
    time: timeInWords(opening.at),
  }
}
