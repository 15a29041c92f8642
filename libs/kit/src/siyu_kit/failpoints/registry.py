"""Every failpoint: its name, the file it stands in, who passes it.

A name stands in the code exactly once. ``tests/unit/kit/test_failpoint_registry.py`` holds code and
registry together; the harness (``tests/chaos``) visits every one of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Failpoint:
    """Where it stands (below ``src``) and the services whose processes pass it."""

    file: str
    services: tuple[str, ...]
    first: str = ""
    """Another failpoint whose kill is needed before this one can be reached."""


_READERS: Final = ("identity", "profile", "analytics")
_TRANSACTIONS: Final = ("identity", "profile", "analytics")
_RELAYS: Final = ("identity", "profile", "segment", "touch")
_FEEDS: Final = ("identity", "profile", "segment")
_DATABASES: Final = ("identity", "analytics", "profile", "segment", "touch")

FAILPOINTS: Final[Mapping[str, Failpoint]] = MappingProxyType(
    {
        # -- the door: what was answered OK must be in the log, what was not may be sent again
        # Sifted, nothing written yet.
        "collect.before_append": Failpoint("siyu_collect/app/take_events.py", ("collect",)),
        # Durable, and the sender has not heard of it: it will send again.
        "collect.after_append": Failpoint("siyu_collect/app/take_events.py", ("collect",)),
        # A group of requests is about to share one pipeline.
        "appender.before_send": Failpoint("siyu_kit/stream/appender.py", ("collect",)),
        # The pipeline is answered, none of its requests is.
        "appender.after_send": Failpoint("siyu_kit/stream/appender.py", ("collect",)),
        # -- readers: effect and position move together or not at all
        # A batch was read, nothing done with it.
        "reader.before_apply": Failpoint("siyu_kit/stream/reader.py", _READERS),
        # Applied and committed, the stream not yet told.
        "reader.after_apply": Failpoint("siyu_kit/stream/reader.py", _READERS),
        # The handler is done; fence and position are still to come.
        "apply.after_handle": Failpoint("siyu_kit/stream/apply.py", _TRANSACTIONS),
        # Everything is in the transaction but its commit.
        "apply.before_commit": Failpoint("siyu_kit/stream/apply.py", _TRANSACTIONS),
        # Committed; the position in memory is the old one.
        "apply.after_commit": Failpoint("siyu_kit/stream/apply.py", _TRANSACTIONS),
        # A dead letter and the position beyond it are in the transaction but its commit.
        "apply.bury_before_commit": Failpoint("siyu_kit/stream/apply.py", ("identity", "profile")),
        # The dead letter is committed, not yet counted or logged.
        "apply.bury_after_commit": Failpoint("siyu_kit/stream/apply.py", ("identity", "profile")),
        # -- the sink: plan, insert, done
        # The plan is committed, nothing inserted.
        "sink.after_plan": Failpoint("siyu_analytics/app/plan_batch.py", ("analytics",)),
        # Staged in the engine's memory.
        "sink.after_stage": Failpoint("siyu_analytics/app/carry_out.py", ("analytics",)),
        # New subjects have their numbers.
        "sink.after_number": Failpoint("siyu_analytics/app/carry_out.py", ("analytics",)),
        # The events are in; the rows by which their duplicates are known are not.
        "sink.after_insert": Failpoint("siyu_analytics/store/event_batches.py", ("analytics",)),
        # Both are in, the plan is still open.
        "sink.after_store": Failpoint("siyu_analytics/app/carry_out.py", ("analytics",)),
        # Marked done with counts and position, not yet committed.
        "sink.before_done_commit": Failpoint("siyu_analytics/store/sink_plans.py", ("analytics",)),
        # Done; the position in memory is the old one.
        "sink.after_done": Failpoint("siyu_analytics/app/plan_batch.py", ("analytics",)),
        # A restarted sink has found an open plan and read its entries again.
        "sink.recovering": Failpoint(
            "siyu_analytics/app/recover_sink.py", ("analytics",), first="sink.after_insert"
        ),
        # The open plan was replayed; the position in memory is the old one.
        "sink.recovered": Failpoint(
            "siyu_analytics/app/recover_sink.py", ("analytics",), first="sink.after_plan"
        ),
        # Persons and their map are in the engine, the feed's position is not moved.
        "projections.identity_stored": Failpoint(
            "siyu_analytics/app/apply_identity_changes.py", ("analytics",)
        ),
        # Traits are in the engine, the feed's position is not moved.
        "projections.profile_stored": Failpoint(
            "siyu_analytics/app/apply_profile_changes.py", ("analytics",)
        ),
        # -- outbox and relay: a number once given never changes, publishing may repeat
        # Rows have numbers, the transaction is not committed.
        "relay.before_assign_commit": Failpoint("siyu_kit/sql/relay.py", _RELAYS),
        # Numbers are committed, nothing published.
        "relay.after_assign": Failpoint("siyu_kit/sql/relay.py", _RELAYS),
        # Published, not marked so.
        "relay.after_publish": Failpoint("siyu_kit/sql/relay.py", _RELAYS),
        # Marked, not committed.
        "relay.before_mark_commit": Failpoint("siyu_kit/sql/relay.py", _RELAYS),
        # The stream lost entries; they are about to be published again.
        "relay.rebuilding": Failpoint("siyu_kit/sql/relay.py", _FEEDS),
        # -- leases
        # A new epoch is written, not committed.
        "lease.before_acquire_commit": Failpoint("siyu_kit/sql/lease.py", _DATABASES),
        # The lease is held, its holder does not know it yet.
        "lease.after_acquire": Failpoint("siyu_kit/sql/lease.py", _DATABASES),
        # Extended, not committed.
        "lease.before_renew_commit": Failpoint("siyu_kit/sql/lease.py", _DATABASES),
        # -- identity
        # Evidence, persons and outbox rows are in the transaction but its commit.
        "identity.before_commit": Failpoint("siyu_identity/store/graphs.py", ("identity",)),
        # Committed, the caller not answered.
        "identity.after_commit": Failpoint("siyu_identity/app/transact.py", ("identity",)),
        # -- profile
        # Identifiers are numbered by identity, nothing is written here.
        "profile.after_number": Failpoint("siyu_profile/app/record_facts.py", ("profile",)),
        # Facts, folds and outbox rows are in the transaction but its commit.
        "profile.before_commit": Failpoint("siyu_profile/app/record_facts.py", ("profile",)),
        # Committed, the caller not answered.
        "profile.after_commit": Failpoint("siyu_profile/app/record_facts.py", ("profile",)),
        # -- segment
        # A run is open and committed, analytics not yet asked.
        "segment.run_opened": Failpoint("siyu_segment/app/refresh_segment.py", ("segment",)),
        # The audience is here, nothing published.
        "segment.after_evaluate": Failpoint("siyu_segment/app/refresh_segment.py", ("segment",)),
        # Run, membership and outbox rows are in the transaction but its commit.
        "segment.before_publish_commit": Failpoint(
            "siyu_segment/app/refresh_segment.py", ("segment",)
        ),
        # Published, the caller not answered.
        "segment.after_publish": Failpoint("siyu_segment/app/refresh_segment.py", ("segment",)),
        # -- touch: one intent per key, a recorded reason for everything
        # The audience is fetched, the campaign still a draft.
        "touch.launch_audience": Failpoint("siyu_touch/app/launch_campaign.py", ("touch",)),
        # The campaign runs, no send is planned.
        "touch.launch_started": Failpoint("siyu_touch/app/launch_campaign.py", ("touch",)),
        # A chunk of sends is planned, not committed.
        "touch.plan_before_commit": Failpoint("siyu_touch/app/launch_campaign.py", ("touch",)),
        # Sends are claimed, profile not yet asked for facts.
        "touch.claimed": Failpoint("siyu_touch/app/dispatch.py", ("touch",)),
        # Decisions, attempts and reservations are in the transaction but its commit.
        "touch.decide_before_commit": Failpoint("siyu_touch/app/decide.py", ("touch",)),
        # Attempts are committed, the provider is not called.
        "touch.attempt_committed": Failpoint("siyu_touch/app/dispatch.py", ("touch",)),
        # One message's answer is here, nothing of it recorded.
        "touch.provider_answered": Failpoint("siyu_touch/app/deliver.py", ("touch",)),
        # Answers are in the transaction but its commit.
        "touch.settle_before_commit": Failpoint("siyu_touch/app/deliver.py", ("touch",)),
        # Answers are committed.
        "touch.settled": Failpoint("siyu_touch/app/deliver.py", ("touch",)),
        # Sends of a lost dispatcher are parked or freed, not committed.
        "touch.recover_before_commit": Failpoint(
            "siyu_touch/app/recover.py", ("touch",), first="touch.attempt_committed"
        ),
        # Receipts are in the transaction but its commit.
        "touch.receipts_before_commit": Failpoint("siyu_touch/app/record_receipts.py", ("touch",)),
        # Receipts are committed, the caller not answered.
        "touch.receipts_committed": Failpoint("siyu_touch/app/record_receipts.py", ("touch",)),
        # Rows of the outbox are about to be handed to collect.
        "touch.before_tell": Failpoint("siyu_touch/channel/event_publisher.py", ("touch",)),
        # Collect has them, the relay does not know it.
        "touch.after_tell": Failpoint("siyu_touch/channel/event_publisher.py", ("touch",)),
        # -- start
        # The migration lock is held, no step done.
        "migration.start": Failpoint("siyu_kit/sql/migrate.py", _DATABASES),
        # Every step is done, not committed.
        "migration.before_commit": Failpoint("siyu_kit/sql/migrate.py", _DATABASES),
    }
)
