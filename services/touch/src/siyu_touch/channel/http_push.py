"""Push through a provider by HTTP."""

import time
from dataclasses import replace
from typing import Any, Final

import httpx

from siyu_kit.telemetry import TRACEPARENT, active
from siyu_touch.app.ports import PushMessage
from siyu_touch.channel.push_observer import PushObserver, attempt
from siyu_touch.domain.delivery import Answer, Delivery

_PUT_OFF: Final = frozenset({429, 503})
_TURNED_AWAY: Final = frozenset({401, 403, 404, 405, 407})
"""Credentials, path or method are wrong: no other message would fare better."""
_MAX_ID: Final = 255
_MAX_WAIT_MS: Final = 600_000


class HttpPushProvider:
    """``ports.PushProvider``: one POST for each message, its send key as Idempotency-Key."""

    def __init__(self, url: str, timeout_s: float, connections: int) -> None:
        self._observer = PushObserver(active().meter)
        self._url = url
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s, pool=None),
            limits=httpx.Limits(max_connections=connections),
            follow_redirects=False,
            # The provider is inside the walls: proxies of the environment are not meant for it.
            trust_env=False,
        )

    async def push(self, message: PushMessage) -> Delivery:
        with attempt() as trace:
            started = time.monotonic()
            delivery = await self._call(message, trace)
            self._observer.ended(delivery, time.monotonic() - started)
            return replace(delivery, trace=trace)

    async def _call(self, message: PushMessage, trace: str | None) -> Delivery:
        body = {
            "send_key": message.send_key,
            "address": message.address,
            "title": message.title,
            "body": message.body,
        }
        headers = {"Idempotency-Key": message.send_key}
        if trace is not None:
            headers[TRACEPARENT] = trace
        try:
            response = await self._client.post(self._url, json=body, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            # Nothing was sent yet.
            return Delivery(Answer.PUT_OFF, "PROVIDER_UNREACHABLE")
        except httpx.UnsupportedProtocol:
            return Delivery(Answer.TURNED_AWAY, "PROVIDER_URL_INVALID")
        except httpx.TimeoutException:
            return Delivery(Answer.AMBIGUOUS, "PROVIDER_TIMEOUT")
        except httpx.HTTPError:
            return Delivery(Answer.AMBIGUOUS, "CONNECTION_LOST")
        return _answer(response)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _answer(response: httpx.Response) -> Delivery:
    status = response.status_code
    if response.is_success:
        return Delivery(Answer.ACCEPTED, provider_message_id=_message_id(response))
    if status in _PUT_OFF:
        wait_ms = _retry_after_ms(response)
        return Delivery(Answer.PUT_OFF, f"PROVIDER_HTTP_{status}", retry_after_ms=wait_ms)
    if response.is_redirect or status in _TURNED_AWAY:
        return Delivery(Answer.TURNED_AWAY, f"PROVIDER_HTTP_{status}")
    # A request timeout (408) says as little about the message as a server's error does.
    ambiguous = response.is_server_error or status == httpx.codes.REQUEST_TIMEOUT
    answer = Answer.AMBIGUOUS if ambiguous else Answer.REJECTED
    return Delivery(answer, f"PROVIDER_HTTP_{status}")


def _message_id(response: httpx.Response) -> str:
    """The provider's id; a 2xx without one is taken all the same."""
    try:
        content: Any = response.json()
    except ValueError:
        return ""
    found = content.get("message_id") if isinstance(content, dict) else None
    return str(found)[:_MAX_ID] if found is not None else ""


def _retry_after_ms(response: httpx.Response) -> int:
    given = response.headers.get("Retry-After", "")
    return min(int(given) * 1_000, _MAX_WAIT_MS) if given.isascii() and given.isdigit() else 0
