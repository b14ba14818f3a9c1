"""Subscriptions to changes of resources: `subscriptions/listen` (2026), `resources/subscribe` (2025).

Subscribing passes what reading the resource passes, and reads it. Each delivery is checked again (`deliveries.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server as SdkServer
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from shared.core.caller import Caller
from shared.core.errors import Forbidden, Invalid, NotFound, UnknownTarget
from shared.core.request import Request
from shared.edge.deliveries import Deliveries
from shared.edge.kept import InMemory, Keeping, Kept
from shared.edge.watch import Context
from shared.pipeline import Pipeline

LISTEN = "subscriptions/listen"

_LOOK_S = 60.0
_RESOURCE_NOT_FOUND_2025 = -32002
_NOT_THERE = (UnknownTarget, NotFound, Invalid)
"""What reading a resource says of what is missing, hidden, malformed or another tenant's."""


@dataclass(frozen=True)
class Subscriptions:
    """The handlers of one server.

    Attributes:
        pipeline: What subscribing passes.
        deliveries: What is told, to whom.
        keeping: Of the 2025 era.
        caller_of: Who asks.
        request_of: The request as the pipeline takes it, from a context, a kind, a name, arguments and a reference.
        most: Resources of one stream or session.
    """

    pipeline: Pipeline
    deliveries: Deliveries
    keeping: Keeping
    caller_of: Callable[[Context], Caller]
    request_of: Callable[..., Request]
    most: int

    async def listen(
        self, context: Context, params: types.SubscriptionsListenRequestParams, reference: str
    ) -> types.SubscriptionsListenResult:
        """Serve one stream: what is honoured first, then changes, and the result once we end it.

        What the caller may not read is left out of what is honoured; so are changes of lists, which do not change
        while a process runs. If nothing is left only for want of a scope, the stream is refused with it.
        """
        request = self.request_of(context, "subscription", LISTEN, {}, reference)
        caller = self.caller_of(context)
        uris = list(dict.fromkeys(params.notifications.resource_subscriptions or ()))
        meta = {SUBSCRIPTION_ID_META_KEY: context.request_id}
        try:
            async with self.pipeline.noted(request, caller) as facts:
                facts["ended"] = await self._serve(context, request, caller, uris, facts)
        except Invalid as failure:
            raise MCPError(types.INVALID_PARAMS, failure.message, failure.as_object(reference)) from None
        return types.SubscriptionsListenResult(_meta=meta)

    async def _serve(
        self, context: Context, request: Request, caller: Caller, uris: Sequence[str], facts: dict[str, Any]
    ) -> str | None:
        """Why the stream was ended; in `facts`, how many resources it followed and how many changes it told."""
        if len(uris) > self.most:
            raise Invalid(f"One stream follows at most {self.most} resources. Open several, with fewer each.")
        meta = {SUBSCRIPTION_ID_META_KEY: context.request_id}
        kept = InMemory(self.most)
        # Follow before looking: what changes in between is told.
        async with self.deliveries.to(caller, request, kept) as delivery:
            honoured = await self._honoured(context, request, caller, uris, kept)
            facts |= {"followed": len(honoured), "delivered": 0}
            said = types.SubscriptionFilter(resource_subscriptions=honoured or None)
            acknowledged = types.SubscriptionsAcknowledgedNotificationParams(notifications=said, _meta=meta)
            await _send(context, types.SubscriptionsAcknowledgedNotification(params=acknowledged))
            while delivery.ended is None:
                for notice in await delivery.next(_LOOK_S):
                    updated = types.ResourceUpdatedNotificationParams(uri=notice.uri, _meta=meta)
                    await _send(context, types.ResourceUpdatedNotification(params=updated))
                    facts["delivered"] += 1
        return delivery.ended

    async def _honoured(
        self, context: Context, request: Request, caller: Caller, uris: Sequence[str], kept: Kept
    ) -> list[str]:
        honoured: list[str] = []
        lacking: Forbidden | None = None
        for uri in uris:
            tool, arguments = self.deliveries.uris.watchable(uri)
            asked = self.request_of(context, "subscription", uri, arguments, request.request_id)
            try:
                async with self.pipeline.watch(asked, caller, tool, charge=False):
                    await kept.add(uri)
                    honoured.append(uri)
            except Forbidden as failure:
                lacking = failure
            except _NOT_THERE:
                pass
        if lacking is not None and not honoured:
            raise lacking
        return honoured

    async def subscribe(
        self, context: Context, params: types.SubscribeRequestParams, reference: str
    ) -> types.EmptyResult:
        """Keep one URI for a session or connection; what cannot be read answers as reading it does."""
        uri = str(params.uri)
        tool, arguments = self.deliveries.uris.watchable(uri)
        request = self.request_of(context, "subscription", uri, arguments, reference)
        kept = await self.keeping(context, request)
        try:
            async with self.pipeline.watch(request, self.caller_of(context), tool):
                await self._keep(kept, uri)
        except _Full as failure:
            raise MCPError(types.INVALID_PARAMS, failure.message, failure.as_object(reference)) from None
        except _NOT_THERE:
            raise MCPError(_RESOURCE_NOT_FOUND_2025, "Resource not found", {"uri": uri}) from None
        return types.EmptyResult()

    async def _keep(self, kept: Kept, uri: str) -> None:
        if not await kept.add(uri):
            raise _Full(f"You are subscribed to {self.most} resources, as many as allowed. Unsubscribe from one first.")

    async def unsubscribe(
        self, context: Context, params: types.UnsubscribeRequestParams, reference: str
    ) -> types.EmptyResult:
        """Forget one URI; one that was not kept is no error."""
        uri = str(params.uri)
        request = self.request_of(context, "subscription", uri, {}, reference)
        kept = await self.keeping(context, request)
        async with self.pipeline.noted(request, self.caller_of(context)) as facts:
            facts["ended"] = "unsubscribed"
            await kept.drop(uri)
        return types.EmptyResult()


class _Full(Invalid):
    """The client is subscribed to as much as it may be."""


class Discover:
    """`server/discover` as the SDK answers it, but for changes of lists, which it would promise with subscriptions."""

    def __init__(self, sdk: SdkServer[Any]) -> None:
        self._sdk = sdk

    async def __call__(self, context: Context, _params: types.RequestParams) -> types.DiscoverResult:
        shown = self._sdk.get_capabilities(protocol_version=context.protocol_version)
        for part in (shown.tools, shown.prompts, shown.resources):
            if part is not None:
                part.list_changed = False
        versions = list(MODERN_PROTOCOL_VERSIONS)
        return types.DiscoverResult(
            supported_versions=versions, capabilities=shown, instructions=self._sdk.instructions
        )


async def _send(context: Context, notification: types.ServerNotification) -> None:
    await context.session.send_notification(notification, related_request_id=context.request_id)
