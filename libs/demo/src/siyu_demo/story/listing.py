"""Lists that come in pages, whole."""

from siyu.analytics.v1 import analytics_service_pb2 as analytics
from siyu.segment.v1 import segment_service_pb2 as segment
from siyu.touch.v1 import touch_service_pb2 as touch
from siyu_client.client import call
from siyu_demo.story.stage import PROJECT, Stage

_PAGE = 5_000
_SENDS_PAGE = 1_000


async def cell_members(stage: Stage, token: str) -> set[int]:
    """The persons counted in a cell of an answer."""
    members: set[int] = set()
    request = analytics.ListMembersRequest(project_id=PROJECT, cell_token=token, page_size=_PAGE)
    while True:
        page = await call(stage.client.analytics.ListMembers, request)
        members.update(member.person_no for member in page.members)
        if not page.next_page_token:
            return members
        request.page_token = page.next_page_token


async def segment_members(stage: Stage, segment_id: str) -> set[int]:
    """The members of a segment's last published run."""
    members: set[int] = set()
    request = segment.ListSegmentMembersRequest(
        project_id=PROJECT, segment_id=segment_id, page_size=_PAGE
    )
    while True:
        page = await call(stage.client.segment.ListSegmentMembers, request)
        members.update(page.person_nos)
        if not page.next_page_token:
            return members
        request.page_token = page.next_page_token


async def sends(stage: Stage, campaign_id: str) -> list[touch.Send]:
    """Every send of a campaign."""
    found: list[touch.Send] = []
    request = touch.ListSendsRequest(
        project_id=PROJECT, campaign_id=campaign_id, page_size=_SENDS_PAGE
    )
    while True:
        page = await call(stage.client.touch.ListSends, request)
        found.extend(page.sends)
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token
