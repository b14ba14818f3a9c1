"""Subscriptions to changes of resources: `subscriptions/listen` (2026), `resources/subscribe` (2025).

Subscribing passes what reading the resource passes, and reads it. Each delivery is checked again (`deliveries.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

import mcp_types as types
from mcp.server.lowlevel import Server as SdkServer
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel

from shared.core.caller import Caller
from shared.core.errors import Forbidden, Invalid, NotFound, SuiteError, Timeout, Unavailable, UnknownTarget
from shared.core.request import Request
from shared.core.work import GET
from shared.edge import reading, tasks
from shared.edge.boundary import boundary
from shared.edge.deliveries import Deliveries
from shared.edge.entrance import Entrance
from shared.edge.kept import InMemory, Keeping, Kept
from shared.edge.watch import Context
from shared.state.jobs.book import job_of, job_uri

LISTEN = "subscriptions/listen"

_LOOK_S = 60.0
_NOT_THERE = (UnknownTarget, NotFound, Invalid)
"""What reading a resource says of what is missing, hidden, malformed or another tenant's."""


@dataclass(frozen=True)
class Subscriptions:
    """The handlers of one server.

    Attributes:
        entrance: What subscribing goes in by.
        deliveries: What is told, to whom.
        keeping: Of the 2025 era.
        most: Resources of one stream or session.
    """

    entrance: Entrance
    deliveries: Deliveries
    keeping: Keeping
    most: int

    def offer(self, sdk: SdkServer[Any], *, resources: bool, has_tasks: bool) -> None:
        """Answer the methods of both eras; without `resources`, streams of tasks alone."""
        sdk.add_request_handler(LISTEN, types.SubscriptionsListenRequestParams, boundary(self.listen))
        sdk.add_request_handler("server/discover", types.RequestParams, Discover(sdk, tasks=has_tasks))
        if resources:
            sdk.add_request_handler("resources/subscribe", types.SubscribeRequestParams, boundary(self.subscribe))
            sdk.add_request_handler("resources/unsubscribe", types.UnsubscribeRequestParams, boundary(self.unsubscribe))

    async def listen(
        self, context: Context, params: types.SubscriptionsListenRequestParams, reference: str
    ) -> types.SubscriptionsListenResult:
        """Serve one stream: what is honoured first, then changes, and the result once we end it.

        What the caller may not read is left out of what is honoured; so are changes of lists, which do not change
        while a process runs. If nothing is left only for want of a scope, the stream is refused with it.
        """
        request = self.entrance.request(context, "subscription", LISTEN, {}, reference)
        caller = self.entrance.caller_of(context)
        uris = list(dict.fromkeys(params.notifications.resource_subscriptions or ()))
        uris += self._jobs(context, params.notifications)
        meta = {SUBSCRIPTION_ID_META_KEY: context.request_id}
        try:
            async with self.entrance.pipeline.noted(request, caller) as facts:
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
            said = _as_filter(honoured)
            acknowledged = types.SubscriptionsAcknowledgedNotificationParams(notifications=said, _meta=meta)
            await _send(context, types.SubscriptionsAcknowledgedNotification(params=acknowledged))
            for uri in filter(job_of, honoured):  # it may have ended before anybody followed it
                await self._tell(context, request, caller, uri, kept)
            while delivery.ended is None:
                for notice in await delivery.next(_LOOK_S):
                    await self._tell(context, request, caller, notice.uri, kept)
                    facts["delivered"] += 1
        return delivery.ended

    def _jobs(self, context: Context, wanted: types.SubscriptionFilter) -> list[str]:
        """The tasks a client of the extension wants to hear of, as notices name them.

        Raises:
            MCPError: It did not declare the extension.
        """
        named: Any = (wanted.model_extra or {}).get("taskIds")
        if named is None or self.deliveries.jobs is None:
            return []
        tasks.require_declared(context)
        if not isinstance(named, list) or not all(isinstance(one, str) for one in cast("list[Any]", named)):
            raise MCPError(types.INVALID_PARAMS, "taskIds must be a list of strings")
        return [job_uri(one) for one in dict.fromkeys(cast("list[str]", named))]

    async def _tell(self, context: Context, request: Request, caller: Caller, uri: str, kept: Kept) -> None:
        """Send that a resource changed, or what a job is now."""
        meta = {SUBSCRIPTION_ID_META_KEY: context.request_id}
        if job_of(uri) is None:
            updated = types.ResourceUpdatedNotificationParams(uri=uri, _meta=meta)
            await _send(context, types.ResourceUpdatedNotification(params=updated))
            return
        tool, arguments = self.deliveries.followed(uri)
        asked = replace(request, kind="task", name=GET, arguments=arguments)
        try:
            task = tasks.detailed(await self.entrance.pipeline.tell(asked, caller, tool))
        except SuiteError as refusal:  # it may be read no more, or cannot be just now: the next change tells again
            if not isinstance(refusal, Unavailable | Timeout):
                await kept.drop(uri)
            return
        await _send(context, cast("Any", _TaskNotification(params={**task, "_meta": meta})))

    async def _honoured(
        self, context: Context, request: Request, caller: Caller, uris: Sequence[str], kept: Kept
    ) -> list[str]:
        honoured: list[str] = []
        lacking: Forbidden | None = None
        for uri in uris:
            tool, arguments = self.deliveries.followed(uri)
            asked = self.entrance.request(context, "subscription", uri, arguments, request.request_id)
            try:
                async with self.entrance.pipeline.watch(asked, caller, tool, charge=False):
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
        request = self.entrance.request(context, "subscription", uri, arguments, reference)
        kept = await self.keeping(context, request)
        try:
            async with self.entrance.pipeline.watch(request, self.entrance.caller_of(context), tool):
                await self._keep(kept, uri)
        except _Full as failure:
            raise MCPError(types.INVALID_PARAMS, failure.message, failure.as_object(reference)) from None
        except _NOT_THERE:
            raise reading.missing(uri, legacy=True) from None
        return types.EmptyResult()

    async def _keep(self, kept: Kept, uri: str) -> None:
        if not await kept.add(uri):
            raise _Full(f"You are subscribed to {self.most} resources, as many as allowed. Unsubscribe from one first.")

    async def unsubscribe(
        self, context: Context, params: types.UnsubscribeRequestParams, reference: str
    ) -> types.EmptyResult:
        """Forget one URI; one that was not kept is no error."""
        uri = str(params.uri)
        request = self.entrance.request(context, "subscription", uri, {}, reference)
        kept = await self.keeping(context, request)
        async with self.entrance.pipeline.noted(request, self.entrance.caller_of(context)) as facts:
            facts["ended"] = "unsubscribed"
            await kept.drop(uri)
        return types.EmptyResult()


class _Full(Invalid):
    """The client is subscribed to as much as it may be."""


class _TaskNotification(BaseModel):
    """`notifications/tasks`, which the SDK has no model of."""

    method: Literal["notifications/tasks"] = "notifications/tasks"
    params: dict[str, Any]


def _as_filter(uris: Sequence[str]) -> types.SubscriptionFilter:
    """What is honoured, as clients name it."""
    resources, followed = [uri for uri in uris if not job_of(uri)], [job for uri in uris if (job := job_of(uri))]
    extension: dict[str, Any] = {"taskIds": followed} if followed else {}
    return types.SubscriptionFilter(resource_subscriptions=resources or None, **extension)


class Discover:
    """`server/discover` as the SDK answers it, but for changes of lists, which it would promise with subscriptions,
    and with the extension that it does not know.
    """

    def __init__(self, sdk: SdkServer[Any], *, tasks: bool) -> None:
        self._sdk = sdk
        self._tasks = tasks

    async def __call__(self, context: Context, _params: types.RequestParams) -> types.DiscoverResult:
        shown = self._sdk.get_capabilities(protocol_version=context.protocol_version)
        for part in (shown.tools, shown.prompts, shown.resources):
            if part is not None:
                part.list_changed = False
        if self._tasks:
            shown.extensions = {**(shown.extensions or {}), tasks.EXTENSION: {}}
        versions = list(MODERN_PROTOCOL_VERSIONS)
        return types.DiscoverResult(
            supported_versions=versions, capabilities=shown, instructions=self._sdk.instructions
        )


async def _send(context: Context, notification: types.ServerNotification) -> None:
    await context.session.send_notification(notification, related_request_id=context.request_id)
