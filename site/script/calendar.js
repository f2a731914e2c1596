/** The calendar file (RFC 5545), made on the phone: a title and a time, nothing else. */

/** The file of an hour from the opening's time, on the clock of the place. */
export function calendarFile({ day, at }, title) {
  const [year, month, date] = day.split('-').map(Number)
  const [hour, minute] = at.split(':').map(Number)
  const clock = (hours) =>
    new Date(Date.UTC(year, month - 1, date, hours, minute))
      .toISOString()
      .replace(/[-:]|\.\d+Z/g, '')
  const starts = clock(hour)
  return [
    'BEGIN:VCALENDAR', 'VERSION:2.0', 'PRODID:-//quietdesk//EN', 'BEGIN:VEVENT',
    `UID:${starts.slice(0, 13)}@appointment.invalid`, `DTSTAMP:${starts}Z`,
    `DTSTART:${starts}`, `DTEND:${clock(hour + 1)}`,
    `SUMMARY:${title.replace(/[\\;,]/g, '\\$&')}`,
    'END:VEVENT', 'END:VCALENDAR', '',
  ].join('\r\n')
}

/** Hands the file to the phone. */
export function saveCalendar(opening, title) {
  const file = new Blob([calendarFile(opening, title)], { type: 'text/calendar' })
  const link = document.createElement('a')
  link.href = URL.createObjectURL(file)
  link.download = 'appointment.ics'
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
}
