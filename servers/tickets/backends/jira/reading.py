"""Reading issues, comments, moves and people."""

from dataclasses import dataclass

from servers.tickets.answers import Found, Tickets, WholeTicket
from servers.tickets.arguments import ManyTickets, Mine, OneTicket, Search
from servers.tickets.backends.jira import adf, jql
from servers.tickets.backends.jira.fields import NAMES, summary, ticket
from servers.tickets.backends.jira.markers import API, issue
from servers.tickets.backends.jira.options import Options
from servers.tickets.backends.jira.shapes import Account, Comments, Fetched, Issue, Moves, Remark, SearchPage, Way
from servers.tickets.models import INTERNAL, Comment, NextMove, Ticket
from servers.tickets.workflow import Status
from shared.core.errors import Conflict, Invalid
from shared.core.tool import Call

__all__ = ["Reading"]

_COMMENTS_MAX = 50
_BULK_MAX = 100


@dataclass(frozen=True)
class Reading:
    """What one call reads."""

    call: Call

    @property
    def options(self) -> Options:
        options: Options = self.call.upstream.options
        return options

    @property
    def names(self) -> list[str]:
        """The fields that are asked for."""
        return [*NAMES, *([self.options.customer_field] if self.options.customer_field else [])]

    async def one(self, key: str) -> Ticket:
        """The ticket.

        Raises:
            NotFound: There is none, or the caller may not see it.
        """
        found = await self.call.upstream.get(issue(key), Issue, {"fields": ",".join(self.names)})
        return ticket(found, self.options)

    async def at(self, key: str, version: int) -> Ticket:
        """The ticket, if it is still as the caller knows it.

        Raises:
            Conflict: It is not.
        """
        found = await self.one(key)
        if found.version != version:
            raise Conflict(
                f"{key} was changed since you read it: it is at version {found.version} now. Read it again with "
                "get_ticket, then decide.",
                version=found.version,
            )
        return found

    async def whole(self, query: OneTicket) -> WholeTicket:
        found = await self.one(query.ticket_id)
        asked = {"orderBy": "-created", "maxResults": _COMMENTS_MAX}
        said = await self.call.upstream.get(issue(query.ticket_id, "comment"), Comments, asked)
        shown = [comment(each) for each in said.comments]
        seen = [each for each in shown if not each.internal or self.call.caller.may(INTERNAL)]
        ways = await self.ways(query.ticket_id)
        return WholeTicket(
            ticket=found,
            next_moves=[NextMove(status=self.status(way), move=way.name, needs=[]) for way in ways],
            comments=seen[: query.comments][::-1],
            comment_count=said.total if len(seen) == len(shown) else len(seen),
            history=[],
        )

    async def ways(self, key: str) -> list[Way]:
        """The moves that Jira lets the caller make."""
        return (await self.call.upstream.get(issue(key, "transitions"), Moves)).transitions

    def status(self, way: Way) -> Status:
        return self.options.status_of(way.to.name, way.to.category.key)

    async def many(self, query: ManyTickets) -> Tickets:
        asked = list(dict.fromkeys(query.ticket_ids))[:_BULK_MAX]
        body = {"issueIdsOrKeys": asked, "fields": self.names}
        fetched = await self.call.upstream.ask((*API, "issue", "bulkfetch"), body, Fetched)
        found = {each.key: ticket(each, self.options) for each in fetched.issues if self._ours(each)}
        return Tickets(
            tickets=[found[key] for key in asked if key in found],
            missing=[key for key in asked if key not in found],
        )

    def _ours(self, found: Issue) -> bool:
        return found.fields.project.key in self.options.projects

    async def search(self, query: Search) -> Found:
        me = await self.account(query.assignee) if query.assignee else None
        return await self._page(jql.search(query, self.options, me), query)

    async def mine(self, query: Mine) -> Found:
        return await self._page(jql.mine(query, self.options, await self.account("me")), query)

    async def _page(self, question: str, query: Search | Mine) -> Found:
        cursors = self.call.cursors
        body = {
            "jql": question,
            "fields": self.names,
            "maxResults": query.limit,
            **({"nextPageToken": cursors.open(query.cursor, query)[0]} if query.cursor else {}),
        }
        page = await self.call.upstream.ask((*API, "search", "jql"), body, SearchPage)
        found = [summary(each, self.options) for each in page.issues if self._ours(each)]
        advice = None if found else "Nothing was found. Try fewer or other words, or fewer filters."
        following = cursors.seal([page.next_token], query) if page.next_token else None
        return Found(tickets=found, next_cursor=following, advice=advice)

    async def account(self, user: str) -> str:
        """The account that a user is in Jira; `me` is who calls.

        Raises:
            Invalid: Nobody knows which account the caller has.
        """
        if user != "me":
            return self.options.accounts.get(user, user)
        if (known := self.options.accounts.get(self.call.caller.subject)) is not None:
            return known
        if not self.call.upstream.as_caller:
            raise Invalid("Nobody knows which account in Jira is yours. Name an account instead of me.")
        return (await self.call.upstream.get((*API, "myself"), Account)).account_id

    async def comment(self, key: str, comment_id: str) -> Comment:
        """One comment.

        Raises:
            NotFound: It was deleted since.
        """
        return comment(await self.call.upstream.get(issue(key, "comment", comment_id), Remark))


def comment(remark: Remark) -> Comment:
    """As it is shown; what does not say that customers see it is for colleagues."""
    return Comment(
        id=remark.id,
        text=adf.text(remark.body),
        internal=remark.public is not True,
        author=remark.author.account_id if remark.author else "nobody",
        attachments=[],
        created_at=remark.created,
    )
