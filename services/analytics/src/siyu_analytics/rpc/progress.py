"""A question's progress as a message."""

from typing import Final

from siyu.analytics.v1 import progress_pb2 as pb
from siyu_analytics.domain.progress import Progress, State

_STATES: Final = {
    State.QUEUED: pb.QUERY_STATE_QUEUED,
    State.RUNNING: pb.QUERY_STATE_RUNNING,
    State.DONE: pb.QUERY_STATE_DONE,
    State.STOPPED: pb.QUERY_STATE_STOPPED,
}


def progress_response(progress: Progress) -> pb.WatchQueryResponse:
    """One message of WatchQuery."""
    return pb.WatchQueryResponse(
        state=_STATES[progress.state],
        percent=progress.percent,
        rows_read=progress.rows,
        rows_total=progress.rows_total,
        bytes_read=progress.size,
        elapsed_ms=round(progress.elapsed_s * 1000),
        eta_ms=None if progress.eta_s is None else round(progress.eta_s * 1000),
    )
