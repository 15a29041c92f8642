"""Entry <-> the fields ``p n k t j`` of a stream entry."""

from collections.abc import Mapping

from siyu_kit.stream.port import Entry, NewEntry


def encode(entry: NewEntry) -> dict[bytes, bytes]:
    """The fields to append."""
    fields = {b"p": entry.payload, b"n": b"%d" % entry.count, b"k": b"%d" % entry.kinds}
    if entry.trace:
        fields[b"t"] = entry.trace.encode("ascii")
    if entry.project_id:
        fields[b"j"] = entry.project_id.encode()
    return fields


def decode(entry_id: str, fields: Mapping[bytes, bytes]) -> Entry:
    """The entry of these fields; a foreign one comes back with its ``damage`` named."""
    payload = fields.get(b"p")
    project_id = fields.get(b"j", b"").decode("utf-8", "replace")
    if payload is None:
        return Entry(entry_id, b"", damage="no payload field", project_id=project_id)
    try:
        count, kinds = int(fields.get(b"n", b"1")), int(fields.get(b"k", b"0"))
    except ValueError:
        return Entry(
            entry_id, payload, damage="count or kinds is not a number", project_id=project_id
        )
    trace = fields.get(b"t")
    text = trace.decode("ascii", "replace") if trace else None
    return Entry(entry_id, payload, count, kinds, text, project_id=project_id)
