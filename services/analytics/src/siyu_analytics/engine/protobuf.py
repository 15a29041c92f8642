"""What the engine needs to read events by itself: 950 000 a second against 170 000 in Python.

Of the two forms that it reads, ``ProtobufList`` (one envelope, each row a field 1) is nearly twice
as fast as length-delimited messages, and an EventBatch is such an envelope already.
"""

from typing import Final

PROTOBUF_SETTINGS: Final[dict[str, object]] = {
    "format_schema_source": "string",
    "format_schema_message_name": "Event",
    # One block: rows stay in the order of the stream, which decides between duplicates.
    "max_insert_block_size": 100_000_000,
    "min_insert_block_size_rows": 100_000_000,
    "min_insert_block_size_bytes": 0,
}

# The engine's own parser knows no imports and no custom options; field numbers are those of
# siyu/event/v1/event.proto, of which a test holds this to be a part.
EVENT_SCHEMA: Final = """
syntax = "proto3";
message Identifier { string type = 1; string value = 2; }
message StringList { repeated string values = 1; }
message Event {
  string project_id = 1;
  string message_id = 2;
  repeated Identifier ids = 3;
  int32 kind = 4;
  string name = 5;
  int64 event_time_ms = 6;
  int64 client_time_ms = 7;
  int64 received_time_ms = 9;
  map<string, string> string_properties = 10;
  map<string, double> number_properties = 11;
  map<string, bool> bool_properties = 12;
  map<string, int64> time_properties = 13;
  map<string, StringList> list_properties = 14;
  map<string, string> context = 15;
}
message Envelope { repeated Event row = 1; }
"""


def with_length(payload: bytes) -> bytes:
    """The envelope with its length in front, as the format has it."""
    prefix = bytearray()
    length = len(payload)
    while length > 0x7F:
        prefix.append((length & 0x7F) | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + payload
