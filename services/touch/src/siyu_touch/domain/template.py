"""A message text, and what may be written."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from siyu_kit.crypto import sm3
from siyu_kit.errors import InvalidInput, PermissionDenied, PreconditionFailed
from siyu_touch.domain import forbidden_words, template_language
from siyu_touch.domain.checks import check_name, require
from siyu_touch.domain.template_language import CannotRender, NotAllowed
from siyu_touch.domain.vocabulary import Channel, MessageClass, TemplateState

MAX_TITLE: Final = 200
MAX_BODY: Final = 4_000


@dataclass(frozen=True)
class Template:
    """A text that never changes; ``create_time_ms`` is milliseconds UTC."""

    project_id: str
    template_id: str
    name: str
    channel: Channel
    message_class: MessageClass
    title: str
    body: str
    traits: tuple[str, ...]
    author: str
    create_time_ms: int
    state: TemplateState = TemplateState.DRAFT
    approver: str = ""

    @property
    def content_digest(self) -> str:
        """What approval binds to: SM3 of channel, class and texts."""
        content = [self.channel.label, self.message_class.name.lower(), self.title, self.body]
        # As JSON each text ends where it ends, whatever signs are in it.
        return sm3(json.dumps(content, ensure_ascii=False).encode()).hex()


@dataclass(frozen=True)
class Message:
    """A rendered text."""

    title: str
    body: str


def checked(template: Template) -> Template:
    """The template with the traits it names; raises ``InvalidInput`` for what may not be sent."""
    check_name(template.name, "template.name")
    require(
        0 < len(template.title) <= MAX_TITLE,
        "template.title",
        f"a title has 1 to {MAX_TITLE} characters",
    )
    require(
        0 < len(template.body) <= MAX_BODY,
        "template.body",
        f"a body has 1 to {MAX_BODY} characters",
    )
    traits = {
        *_parsed(template.title, "template.title", template.message_class),
        *_parsed(template.body, "template.body", template.message_class),
    }
    return replace(template, traits=tuple(sorted(traits)))


def _parsed(text: str, field: str, message_class: MessageClass) -> tuple[str, ...]:
    try:
        traits = template_language.parse(text)
    except NotAllowed as error:
        raise InvalidInput(
            "TEMPLATE_INVALID", str(error), field=field, line=str(error.line), what=error.what
        ) from error
    word = _forbidden(text + "\n" + template_language.literal_text(text), message_class)
    if word:
        raise InvalidInput("FORBIDDEN_WORD", f"{word} may not be promised", field=field, word=word)
    return traits


def approved(template: Template, approver: str, content_digest: str) -> Template:
    """The template approved; approving again changes nothing."""
    if template.state is TemplateState.APPROVED:
        return template
    if approver == template.author:
        raise PermissionDenied("SELF_APPROVAL", "nobody approves a text of their own")
    if content_digest != template.content_digest:
        raise PreconditionFailed(
            "CONTENT_DIFFERS",
            "the digest is not of this template's content",
            content_digest=template.content_digest,
        )
    return replace(template, state=TemplateState.APPROVED, approver=approver)


def rendered(template: Template, traits: Mapping[str, Any]) -> Message:
    """The message for one person; raises ``CannotRender``."""
    message = Message(
        template_language.render(template.title, traits),
        template_language.render(template.body, traits),
    )
    if _forbidden(f"{message.title}\n{message.body}", template.message_class):
        raise CannotRender("FORBIDDEN_WORD", "a trait's value is a forbidden word")
    return message


def _forbidden(text: str, message_class: MessageClass) -> str:
    # A notice of risk must be able to say what is not promised.
    return "" if message_class is MessageClass.REGULATORY else forbidden_words.find(text)
