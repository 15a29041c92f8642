"""Words of the contract as the domain knows them; the numbers are the contract's own."""

from enum import IntEnum


class Channel(IntEnum):
    """Ways to reach somebody."""

    IN_APP = 1
    PUSH = 2

    @property
    def label(self) -> str:
        """Its name where names are text: send keys, facts, events."""
        return self.name.lower()


class MessageClass(IntEnum):
    """Legal class of a message."""

    MARKETING = 1
    SERVICE = 2
    REGULATORY = 3

    @property
    def purpose(self) -> str:
        """The purpose whose consent matters."""
        return "marketing" if self is MessageClass.MARKETING else "service"


class TemplateState(IntEnum):
    """State of a template."""

    DRAFT = 1
    APPROVED = 2


class CampaignState(IntEnum):
    """State of a campaign."""

    DRAFT = 1
    RUNNING = 2
    PAUSED = 3
    COMPLETED = 4


class SendState(IntEnum):
    """State of a send."""

    PLANNED = 1
    DEFERRED = 2
    ATTEMPTING = 3
    ACCEPTED = 4
    DELIVERED = 5
    READ = 6
    CLICKED = 7
    REFUSED = 8
    FAILED = 9
    UNKNOWN = 10
    EXPIRED = 11
