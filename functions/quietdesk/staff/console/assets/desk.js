// What the desk's pages do beside showing: lock when asked or when nobody is there, print, tick all.
// Everything else works without this file. Nothing is stored; the server decides what is locked.
'use strict'

const { base, left, whole } = document.body.dataset
const unlocked = Number(left) > 0
const TOUCH_EVERY = 60_000
const lockForm = document.getElementById('lock')
// Other windows of this desk must go blank together with this one.
const windows = new BroadcastChannel('quietdesk-desk')

let deadline = Date.now() + Number(left) * 1000
let touched = Date.now()
let escaped = 0

/** Take away what is readable, before anything else happens. */
function blank() {
  document.title = '…'
  for (const element of [...document.body.children]) element.hidden = true
  for (const element of document.querySelectorAll('main, .slip')) element.replaceChildren()
}

/** Let the server say how it stands; asking so does not count as somebody being there. */
function lookAgain() {
  blank()
  location.replace(`${base}/look${location.search}`) // with the filter and the page of the queue
}

function lock() {
  blank()
  windows.postMessage('blank')
  lockForm.submit()
}

/** Tell the server that somebody is here, who may be typing for longer than it waits. */
function touch() {
  const now = Date.now()
  if (now - touched < TOUCH_EVERY) return
  touched = now
  fetch(`${base}/touch`, { method: 'POST' }).then(
    (answer) => {
      if (answer.ok) deadline = Date.now() + Number(whole) * 1000
      else lookAgain()
    },
    lookAgain, // the desk was stopped
  )
}

if (unlocked) {
  addEventListener('keydown', (event) => {
    if (event.altKey && event.shiftKey && event.code === 'KeyL') return lock()
    if (event.key !== 'Escape') return touch()
    if (Date.now() - escaped < 1000) lock()
    escaped = Date.now()
  })
  addEventListener('pointerdown', touch)
  lockForm.addEventListener('submit', () => {
    windows.postMessage('blank')
    setTimeout(blank) // when the form has gone
  })
  windows.addEventListener('message', ({ data }) => (data === 'locked' ? lookAgain() : blank()))
  setInterval(() => {
    if (Date.now() >= deadline) lookAgain()
  }, 1000)
}

// Only now is it sure that the server has locked: the other windows would ask too early before.
if (!unlocked) windows.postMessage('locked')

// A page that comes back from the browser's memory may be from before the desk was locked.
addEventListener('pageshow', (event) => {
  if (!event.persisted) return
  blank()
  location.reload()
})

for (const button of document.querySelectorAll('[data-print]')) {
  button.hidden = false
  button.addEventListener('click', () => print())
}

for (const all of document.querySelectorAll('[data-all]')) {
  all.addEventListener('change', () => {
    for (const box of all.form.querySelectorAll('tbody input[type=checkbox]')) {
      box.checked = all.checked
    }
  })
}
