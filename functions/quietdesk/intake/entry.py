"""Which envelopes may come in, under which week, and until when they are kept."""

from datetime import date

from quietdesk import bundles, envelopes, weeks
from quietdesk.bundles import Bundle
from quietdesk.envelopes import Envelope
from quietdesk.errors import BadBundle, BadEnvelope
from quietdesk.intake import offer
from quietdesk.openings import Opening
from quietdesk.programme import Programme
from quietdesk.weeks import Epoch


def admitted(programme: Programme, envelope: Envelope, held: Opening | None = None) -> Envelope:
    """A phone's envelope in its lane and with its end, if it may come in now; `held` is the opening
    of the request it replaces. Raises BadEnvelope, BadBundle and BadSignature."""
    now, zone = programme.clock(), programme.city.zone
    if envelope.queue != programme.city.queue:
        raise BadEnvelope("queue")
    if envelope.born not in weeks.accepted(now, zone):
        raise BadEnvelope("epoch")
    if envelope.opening:
        offer.require(programme, envelope.opening, held)
    if envelope.epoch != (envelope.opening.epoch if envelope.opening else envelope.born):
        raise BadEnvelope("epoch")
    expected = bundle(programme, envelope.epoch)
    if {envelope.visit.kid, envelope.contact.kid} != {kid for kid, _ in expected.keys.values()}:
        raise BadEnvelope("epoch")
    return in_lane(programme, envelope, "P")


def in_lane(programme: Programme, envelope: Envelope, lane: str) -> Envelope:
    """An envelope in that lane and with its end."""
    city = programme.city
    end = weeks.expires(envelope.epoch, envelope.born, city.zone, city.serve_days)
    return envelopes.admitted(envelope, lane, end)


def keep(programme: Programme, envelope: Envelope) -> None:
    """Store a new envelope, and take a seat of its opening if it has one. Raises as the store."""
    if envelope.opening:
        programme.store.take(envelope)
    else:
        programme.store.put(envelope)


def bundle(programme: Programme, epoch: Epoch) -> Bundle:
    """The published keys of a week. Raises BadBundle and BadSignature."""
    queue = programme.city.queue
    held = programme.store.read(bundles.name(queue, epoch))
    if held is None:
        raise BadBundle("stale")
    return bundles.verify(held[0], programme.trust, queue, programme.clock(), epoch)


def look_again(programme: Programme, epoch: Epoch) -> date:
    """The day on which to look for an answer to what is sealed to that week."""
    city = programme.city
    return weeks.look_again(
        epoch, epoch, programme.clock(), city.zone, city.serve_days, city.answer_by_days
    )
