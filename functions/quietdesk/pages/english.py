"""What people read, as English text: questions and answers, the words for every code, notices.

English text is the key of every translation (gettext style); what a language lacks shows English.
"""

CONFIRM = "(confirm with the programme)"

# The pages, file name and title: those of the menu above every page, few enough for a phone, and
# the others, whose links stand below every page.
MENU = (
    ("index", "Home"),
    ("who-can-apply", "Who can apply"),
    ("documents", "Papers to bring"),
    ("privacy", "Your privacy"),
    ("request", "Ask for an appointment"),
    ("my-request", "My request"),
)
MORE = (
    ("centers", "Where to go"),
    ("at-the-office", "At the office"),
    ("the-card", "What the card does"),
    ("help", "Help and interpreters"),
    ("questions", "Questions and answers"),
    ("scams", "Stay safe from scams"),
    ("leaving", "How to leave this page quickly"),
    ("organisers", "For organisers"),
)

# In gettext's manner ("translator-credits"): shown only where a translation of this key exists.
NOTE = "translation-note"
# What a page says about its own translation.
NOTES = {
    "unreviewed": NOTE,
    "older": "This translation is older than the English page. Some things may have changed.",
    "english": "We have no translation of this page that is up to date. Here it is in English.",
}

QUESTIONS = {
    "opening": "Take a free time",
    "centers": "Where can you come?",
    "windows": "When can you come?",
    "people": "How many people want a card?",
    "children": "How many of them are children aged 10 to 13?",
    "visit_type": "What do you need?",
    "language": "Which language do you want to speak at the visit?",
    "access": "What would help you at the visit? (optional)",
    "name": "What should we call you?",
    "reach": "May we contact you? (optional)",
    "phone": "Phone number",
    "phone_owner": "Whose phone is it?",
}

PARTS = {"am": "Morning", "pm": "Afternoon", "eve": "Evening"}
CHOICES = {
    "visit_type": {
        "new": "A first card",
        "renew": "Renew a card",
        "replace": "Replace a lost or stolen card",
        "update": "Change something on a card",
    },
    "access": {
        "step_free": "A way in without steps",
        "seated_wait": "A seat while I wait",
        "large_print": "Large print",
        "quiet": "A quiet place",
        "sign_language": "A sign language interpreter",
        "helper": "I will bring someone to help me",
    },
    "reach": {
        "text": "You may send me a text message",
        "call": "You may call me",
        "voicemail": "You may leave me a voice message",
    },
    "phone_owner": {
        "mine": "It is mine",
        "shared": "I share it with other people",
        "helper": "It belongs to someone who helps me",
    },
    "language": {"ase": "American Sign Language", "other": "Another language"},
}
# A language is called by its own name, whatever the language of the page.
OWN_NAMES = {
    "en": "English", "es": "Español", "cmn": "普通话 / 國語 (Mandarin)",
    "yue": "廣東話 / 广东话 (Cantonese)", "ru": "Русский", "bn": "বাংলা", "ht": "Kreyòl ayisyen",
    "ko": "한국어", "ar": "العربية", "ur": "اردو", "fr": "Français", "pl": "Polski",
}  # fmt: skip

# What is read back when nothing was ticked.
NOTHING = {"access": "Nothing special", "reach": "No. I will look with my code."}

# Codes of request.parse in words. A field without words of its own for a code uses "".
PROBLEMS: dict[str, dict[str, str]] = {
    "": {
        "missing": "Answer this question.",
        "unknown": "Choose one of the answers shown here.",
        "too_many": "Choose fewer answers.",
        "too_long": "Write something shorter.",
        "number": "Write a whole number, such as 1.",
        "range": "Write a smaller or larger number.",
        "phone": "Write a phone number with 7 to 15 digits.",
        "choose": "Tick how we may use this, or leave it empty.",
        "other": "Look at this answer again.",
    },
    "centers": {
        "missing": "Tick one or more places, or “Any place”.",
        "too_many": "Tick {most_centers} places or fewer, or “Any place”.",
    },
    "windows": {"missing": "Tick one or more times, or “Any day and time”."},
    "opening": {"gone": "This time is not free now. Choose another one, or say when you can come."},
    "people": {
        "missing": "Write how many people want a card.",
        "range": "Write a number from 1 to {most_people}.",
    },
    "children": {"range": "Write a number that is not larger than the number of people."},
    "visit_type": {"missing": "Choose what you need."},
    "language": {"missing": "Choose a language."},
    "name": {
        "missing": "Write a name that we can call you. A nickname is fine.",
        "too_long": "Write a shorter name, {most_letters} letters at most.",
    },
    "reach": {
        "choose": "You wrote a phone number. Tick how we may use it, or take the number out."
    },
    "phone": {"missing": "Write the phone number that we may use, or untick the boxes above."},
    "phone_owner": {"missing": "Choose whose phone it is."},
}

NOTICES = {
    "unavailable": "We cannot take requests right now. What you wrote is still here. "
    "Try again in a few minutes, or call {phone}.",
    "unsure": "We cannot take requests right now. We do not know if yours was kept. Press Send "
    "again in a few minutes: it will not be counted twice. Or call {phone}.",
    "closed": "Requests are closed right now, because we cannot be sure that only the office could "
    "read them. Please call {phone}.",
    "not_now": "We cannot look right now. We do not know what became of it. "
    "Try again in a few minutes, or call {phone}.",
    "kept": "This did not work: somebody changed the request at the same time. Look again.",
    "replace": "A request of yours was already sent with this code. Press Send again to put these "
    "answers in its place. Or call {phone}.",
    "changed": "This was not sent. The office has answered since you looked. Your request says "
    "now: {now}. If you send this, it takes the place of that answer.",
    "elsewhere": "These answers did not come from a page of ours. Another website may have sent "
    "them. Read every answer. Did you not write them? Then close this page. If a code came along, "
    "it does not count: you get a new one.",
    "unsure_twice": "We cannot take requests right now. We do not know if yours was kept. If you "
    "press Send again, it may be there twice. You can also call {phone}.",
    "new_code": "Your browser does not tell us which page sent this. So we made a new code. Only "
    "the code on this page counts.",
    "type_it": "This did not come from a page of ours. Nothing was done. To see your request, type "
    "your code here.",
    "cannot_move": "Your browser does not tell us which page sent this. So we cannot change your "
    "request here. You can call {phone}. Or cancel it, and ask again.",
    "lost": "There is no request for this code any more. Nothing was changed. What you wrote is "
    "still here. If you send it, it is a new request with a new code.",
}

# The states of a reply, as headings.
STATES = {
    "waiting": "Your request is waiting",
    "placed": "You have an appointment",
    "none": "There is no place for you yet",
}

# What the script says; it has no words of its own.
SCRIPT_WORDS = {
    **{key: NOTICES[key] for key in ("unavailable", "unsure", "closed", "not_now", "kept", "lost")},
    "locking": "Locking your answers on this phone…",
    "sending": "Sending your locked request…",
    "offline": "We could not reach our computer. We do not know if your request arrived. "
    "Press Send again: it will not be counted twice. Or call {phone}.",
    "not_ready": "We could not get what is needed to lock your answers. Check your connection and "
    "try again, or call {phone}. What you wrote is still here.",
    "refused": "Our computer did not take this request. Try again, or call {phone}.",
    "week_over": "A new week has begun since you opened this page. Press Send again.",
    "your_time": "Your time",
    "appointment": "Appointment",
    "looking": "Looking…",
    "look_failed": "We could not reach our computer. Check your connection and try again, or call "
    "{phone}.",
    "ask_where": "Ask where: call {phone}.",
    "copied": "Copied. Paste it only where others do not look.",
    "copy_failed": "This browser does not let us copy. The code is marked now: copy it by hand.",
}


NOT_FOUND = ("Page not found", "There is no page at this address.")
BROKEN = (
    "Something went wrong",
    "This did not work, and it is not your mistake. Go back and try again, or call {phone}.",
)
