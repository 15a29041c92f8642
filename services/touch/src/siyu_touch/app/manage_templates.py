"""Creates and approves templates."""

from siyu_kit.clock import Clock
from siyu_kit.ids import new_id
from siyu_touch.app.store import TouchStore
from siyu_touch.domain.template import Template, approved, checked
from siyu_touch.domain.vocabulary import Channel, MessageClass

_METHOD = "CreateTemplate"


async def create_template(
    store: TouchStore,
    clock: Clock,
    *,
    project_id: str,
    request_id: str,
    author: str,
    name: str,
    channel: Channel,
    message_class: MessageClass,
    title: str,
    body: str,
) -> Template:
    """Create a draft whose texts were parsed; the same request again gives the same template."""
    template = checked(
        Template(
            project_id,
            new_id(),
            name,
            channel,
            message_class,
            title,
            body,
            traits=(),
            author=author,
            create_time_ms=clock.now_ms(),
        )
    )
    content = f"{name}\x1f{template.content_digest}".encode()
    async with store.transaction() as unit:
        known = await unit.earlier(project_id, _METHOD, request_id, content)
        if known is not None:
            return await unit.catalogue.template(project_id, known)
        if not await unit.remember(
            project_id,
            _METHOD,
            request_id,
            content,
            template.template_id,
            template.create_time_ms,
        ):
            first = await unit.earlier(project_id, _METHOD, request_id, content)
            return await unit.catalogue.template(project_id, first or "")
        await unit.catalogue.add_template(template)
    return template


async def approve_template(
    store: TouchStore, *, project_id: str, template_id: str, approver: str, content_digest: str
) -> Template:
    """Approve a template; approving again changes nothing."""
    async with store.transaction() as unit:
        template = await unit.catalogue.template(project_id, template_id)
        after = approved(template, approver, content_digest)
        if after is not template:
            await unit.catalogue.save_template(after)
    return after
