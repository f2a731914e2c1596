"""The views of `submit`: it takes new requests in, and reads what was published."""

import json

from quietdesk import bundles, envelopes, weeks
from quietdesk.errors import BadBundle, BadEnvelope, BadSignature, StoreUnavailable
from quietdesk.intake import entry, offer, plain, posted
from quietdesk.intake.answers import cached, not_found, refused
from quietdesk.pages import Offer
from quietdesk.programme import Programme
from quietdesk.web import Answer, Call
from quietdesk.weeks import Epoch


def post(call: Call, programme: Programme) -> Answer:
    """A new request: sealed by our script, or typed into the form without scripts."""
    return posted.answer(call, programme, by_script=_sealed, by_form=plain.answer)


def _sealed(call: Call, programme: Programme) -> Answer:
    envelope = envelopes.read(posted.bounded(call, envelopes.WIRE_BYTES))
    try:
        entry.keep(programme, entry.admitted(programme, envelope))
    except (BadEnvelope, BadBundle, BadSignature):
        # A retry: what was taken in once is answered as before, whatever is offered now.
        if not programme.store.kept(envelope.queue, envelope.epoch, envelope.id, envelope.digest):
            raise
    day = entry.look_again(programme, envelope.epoch)
    return Answer.json(201, json.dumps({"look_again": day.isoformat()}))


def key(call: Call, programme: Programme) -> Answer:
    """The signed bundle of a week, or of the current one."""
    queue, week = call.captured["queue"], call.captured["epoch"]
    try:
        epoch = _current(programme) if week == "current" else Epoch.parse(week)
    except ValueError:
        return refused(programme, "not_found")
    try:
        held = programme.store.read(bundles.name(queue, epoch))
    except StoreUnavailable as error:
        return refused(programme, "unavailable", error)
    try:
        document = None if held is None else held[0].decode()
    except UnicodeDecodeError as error:  # what was published is damaged
        return refused(programme, "closed", error)
    return refused(programme, "not_found") if document is None else Answer.json(200, document)


def openings(call: Call, programme: Programme) -> Answer:
    """The signed list of times of a path, the signed list of devices, and which of the times have a
    seat left. An unknown path is answered as one without times."""
    try:
        found = offer.published(programme, call.captured.get("path", "").lower())
        free = [str(opening) for opening in offer.free(programme, found.listing)]
    except StoreUnavailable as error:
        return refused(programme, "unavailable", error)
    body = {
        "look_again": entry.look_again(programme, _current(programme)).isoformat(),
        "openings": found.signed,
        "devices": found.devices,
        "free": free,
    }
    return cached(Answer.json(200, json.dumps(body)))


def form(call: Call, programme: Programme) -> Answer:
    """The request page with the times that are free now; those of everybody where a path is over or
    never was. A center that the site does not list is not chosen."""
    lang, pages = call.captured["lang"], programme.pages
    if lang not in {locale.tag for locale in programme.city.locales}:
        return not_found(call, programme)
    path, center = offer.typed_path(call.captured.get("path", "")), call.captured.get("center", "")
    try:
        found = offer.published(programme, path)
        if found is offer.NOTHING and path:
            path, found = "", offer.published(programme, "")
        free = offer.free(programme, found.listing)
    except StoreUnavailable as error:  # a page without times, which nobody else should get to see
        return Answer.html(200, pages.form(lang, offer=Offer(None, path))).because(error)
    if center not in {it.id for it in programme.city.listed}:
        center = ""
    return cached(Answer.html(200, pages.form(lang, offer=Offer(free, path, center=center))))


def _current(programme: Programme) -> Epoch:
    return weeks.epoch_at(programme.clock(), programme.city.zone)
