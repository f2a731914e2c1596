"""Quietdesk takes appointments for a municipal ID programme and keeps no list of who asked.

A resident's request is sealed on the phone to a key that changes every week. Half of each key is in
the cloud, half on staff computers. On key day both halves go, and nobody can open that week again.

    site/script                       the phone: asks, reads back, seals, shows the code
    intake (web, events, wsgi)        the functions on the internet, `submit` and `check`
    store                             where envelopes wait: SQLite, or DynamoDB
    sweep, record                     key day: destroys halves, erases envelopes, says so in public
    staff                             the desk: opens, places, signs; never in the cloud
    website, pages                    the built site, and its words
    city, request, openings, replies  what a city says; what is asked, offered and answered
    codes, envelopes, hpke            the code, the sealed form, sealing
    weeks, bundles, signed            the calendar of keys, a week's public keys, whom to believe
    cloud, local                      the functions on Lambda; all of it on one machine

Read docs/architecture.md next, then tests/test_story.py. What all code here keeps:

- No address on the internet lists or searches envelopes. A private key exists only in staff.
- A request that can be read is in memory only: in no file, address or cookie, and it has no repr.
- A log line is a fixed text, counts, durations and names of our own error classes: no event, body,
  header, address, code, id, or text of an exception. Only intake/answers.py and cloud.py write any.
- What went wrong is a class in errors.py, with its next step. Raise it; None is no failure.
- Time is an argument, `now`. Only entry points look at a clock: cloud, local, staff's commands.
  The environment is read there too, through settings.py.
- Before a step that cannot be undone, ask what a dead process, a second one, a full disk, an old
  copy, a wrong clock and a double press do to it.
"""
