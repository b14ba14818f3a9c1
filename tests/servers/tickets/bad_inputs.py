"""Arguments and URIs as nobody should send them, and what is said to each.

`T-000010` and `T-000020` are tickets of the demo data at version 1; nothing here changes one.
"""

from typing import Any

OK, INVALID, NOT_FOUND, CONFLICT = "ok", "invalid", "not_found", "conflict"
NO_CURSOR = "cursor"
"""-32602: no cursor of ours, for this."""
Row = tuple[str, dict[str, Any], str]

_IDS = (
    *(
        "",
        "42",
        "t-000010",
        "T-",
        "-000010",
        "T-000010 ; DROP",
        "T-000010'--",
        "T-\u0660\u0661",
        "T-000010\x00",
        "C/000010",
    ),
    *("T-" + "0" * 13, "A" * 17 + "-1", "T-000010%", "%-%", "T-００００１０", "../T-000010", "T-000010?x=1", "{id}"),
)
_NEW = {"type": "request", "title": "A", "queue": "support", "dry_run": True}
_ONE = {"ticket_id": "T-000010", "version": 1, "dry_run": True}
_BULK = {"ticket_ids": ["T-000010"], "dry_run": True}


def _reading() -> list[Row]:
    return [
        *(("get_ticket", {"ticket_id": each}, INVALID) for each in _IDS),
        ("get_ticket", {"ticket_id": "T-000010"}, OK),
        ("get_ticket", {"ticket_id": "SUP-42"}, NOT_FOUND),
        ("get_ticket", {"ticket_id": 10}, INVALID),
        ("get_ticket", {"ticket_id": None}, INVALID),
        ("get_ticket", {"ticket_id": ["T-000010"]}, INVALID),
        ("get_ticket", {"ticket_id": "T-000010", "comments": 51}, INVALID),
        ("get_ticket", {"ticket_id": "T-000010", "comments": -1}, INVALID),
        ("get_ticket", {"ticket_id": "T-000010", "history": "yes"}, INVALID),
        ("get_ticket", {"ticket_id": "T-000010", "tenant": "globex"}, INVALID),
        ("get_ticket", {}, INVALID),
        ("get_tickets", {"ticket_ids": []}, INVALID),
        ("get_tickets", {"ticket_ids": ["T-000010"] * 101}, INVALID),
        ("get_tickets", {"ticket_ids": ["T-000010"] * 100}, OK),
        ("get_tickets", {"ticket_ids": "T-000010"}, INVALID),
        ("suggest_similar", {}, INVALID),
        ("suggest_similar", {"ticket_id": "T-000010", "text": "both"}, INVALID),
        ("suggest_similar", {"text": "!!! ??? ''' \\ & | ! <-> :*"}, OK),
        ("suggest_similar", {"text": "a\x00b"}, INVALID),
        ("suggest_similar", {"text": "x" * 4_001}, INVALID),
        ("suggest_similar", {"text": "x" * 4_000}, OK),
        ("suggest_similar", {"ticket_id": "T-9999999999"}, NOT_FOUND),
        ("list_my_tickets", {"role": "all"}, INVALID),
        ("list_my_tickets", {"cursor": "x"}, NO_CURSOR),
        ("list_my_tickets", {"limit": 0}, INVALID),
    ]


def _searching() -> list[Row]:
    return [
        *(("search_tickets", {"query": each}, OK) for each in (
            '""', "''", '"a phrase', "or", "or or", "-a", "--", "!!", "&|!()", "<->", "a:*", "\\'", "'; DROP TABLE x",
            "tenant:globex", "'tenant:globex'", "label:refund or tenant:globex", "%%%", "(((", "ü" * 200,
        )),
        ("search_tickets", {"query": "a"}, INVALID),
        ("search_tickets", {"query": "a" * 201}, INVALID),
        ("search_tickets", {"query": "two\nlines"}, INVALID),
        ("search_tickets", {"query": "a\x00b"}, INVALID),
        ("search_tickets", {"query": "a\u202eb"}, INVALID),
        ("search_tickets", {"limit": 101}, INVALID),
        ("search_tickets", {"limit": 1.5}, INVALID),
        ("search_tickets", {"status": []}, INVALID),
        ("search_tickets", {"status": ["done"]}, INVALID),
        ("search_tickets", {"status": "new"}, INVALID),
        ("search_tickets", {"queue": "Billing"}, INVALID),
        ("search_tickets", {"queue": "nowhere"}, OK),
        ("search_tickets", {"label": "a b"}, INVALID),
        ("search_tickets", {"label": "x' \\ y"}, INVALID),
        ("search_tickets", {"assignee": "a b"}, INVALID),
        ("search_tickets", {"assignee": "'; --"}, INVALID),
        ("search_tickets", {"assignee": "';--"}, OK),
        ("search_tickets", {"customer_id": "C-1"}, INVALID),
        ("search_tickets", {"priority": "asap"}, INVALID),
        ("search_tickets", {"cursor": "bm90IG91cnM"}, NO_CURSOR),
        ("search_tickets", {"query": "checkout", "cursor": "bm90IG91cnM"}, NO_CURSOR),
        ("search_tickets", {"cursor": ""}, INVALID),
        ("search_tickets", {"order": "due_at"}, INVALID),
    ]  # fmt: skip


def _creating() -> list[Row]:
    def new(**more: Any) -> Row:
        return ("create_ticket", {**_NEW, **more}, INVALID)

    return [
        ("create_ticket", _NEW, OK),
        ("create_ticket", {**_NEW, "queue": "nowhere"}, NOT_FOUND),
        *(new(title=each) for each in ("", " ", "a\nb", "a\u202eb", "a\u200bb", "a\x00", "x" * 201, 7, None)),
        *(new(body=each) for each in ("a\x00b", "x" * 20_001, None, {"text": "a"})),
        *(new(labels=each) for each in (["A"], ["a b"], ["-a"], ["x" * 41], [f"l{n}" for n in range(21)], "a", [1])),
        *(new(watchers=each) for each in ([""], ["a b"], ["a\u202e"], ["x"] * 51)),
        *(new(requester_email=each) for each in ("a", "a@b", "a b@c.de", "a@b@c.de", "a@b\n.de", "x" * 65 + "@b.de")),
        *(new(due_at=each) for each in ("tomorrow", "2026-01-01", "2026-01-01T00:00:00", 1_700_000_000, "")),
        *(new(customer_id=each) for each in ("C-1", "c-000001", "O-000001")),
        *(new(type="bug"), new(priority="p1"), new(queue="a b"), new(status="closed"), new(assignee="me")),
        *(new(id="T-1"), new(created_by="somebody"), new(version=7), new(idempotency_key="short")),
        new(attachments=[{"name": "a/b\n", "mime_type": "text/plain", "size": 1}]),
        new(attachments=[{"name": "a", "mime_type": "text", "size": 1}]),
        new(attachments=[{"name": "a", "mime_type": "text/plain", "size": -1}]),
        new(attachments=[{"name": "a", "mime_type": "text/plain", "size": 1, "url": "file:///etc/passwd"}]),
        new(attachments=[{"name": "a", "mime_type": "text/plain", "size": 1, "sha256": "0" * 63}]),
    ]  # fmt: skip


def _changing() -> list[Row]:
    update: list[Any] = [
        *({}, {"labels": None}, {"title": None}, {"queue": None}, {"status": "closed"}, {"assignee": "me"}),
        *({"version": 2}, {"links": []}, {"merged_into": "T-000020"}, {"created_by": "x"}, {"title": "a\nb"}, []),
    ]
    return [
        *(("update_ticket", {**_ONE, "changes": each}, INVALID) for each in update),
        ("update_ticket", {**_ONE, "changes": {"queue": "nowhere"}}, NOT_FOUND),
        ("update_ticket", {**_ONE, "version": 7, "changes": {"title": "B"}}, CONFLICT),
        ("update_ticket", {**_ONE, "version": 0, "changes": {"title": "B"}}, INVALID),
        ("update_ticket", {**_ONE, "version": 2**31, "changes": {"title": "B"}}, INVALID),
        ("update_ticket", {**_ONE, "version": "1", "changes": {"title": "B"}}, INVALID),
        ("assign_ticket", {**_ONE, "assignee": ""}, INVALID),
        ("assign_ticket", {**_ONE, "assignee": "a b"}, INVALID),
        ("assign_ticket", _ONE, INVALID),
        ("transition_ticket", {**_ONE, "status": "merged"}, CONFLICT),
        ("transition_ticket", {**_ONE, "status": "done"}, INVALID),
        ("transition_ticket", {**_ONE, "status": "resolved", "resolution": ""}, INVALID),
        ("comment_on_ticket", {"ticket_id": "T-000010", "text": ""}, INVALID),
        ("comment_on_ticket", {"ticket_id": "T-000010", "text": "x" * 10_001}, INVALID),
        ("comment_on_ticket", {"ticket_id": "T-000010", "text": "a", "internal": None}, INVALID),
        ("comment_on_ticket", {"ticket_id": "T-000010", "text": "a", "author": "acme-admin"}, INVALID),
        ("link_tickets", {**_ONE, "kind": "blocks", "other_id": "T-000010"}, INVALID),
        ("link_tickets", {**_ONE, "kind": "likes", "other_id": "T-000020"}, INVALID),
        ("link_tickets", {**_ONE, "kind": "blocks", "other_id": "T-9999999999"}, NOT_FOUND),
        ("merge_tickets", {"keep_id": "T-000010", "keep_version": 1, "duplicate_id": "T-000010",
                           "duplicate_version": 1}, INVALID),
        ("merge_tickets", {"keep_id": "T-000010", "duplicate_id": "T-000020"}, INVALID),
        ("undo_change", {"change_id": "CH-1"}, INVALID),
        ("undo_change", {"change_id": "CH-0000000000"}, NOT_FOUND),
        ("get_job", {"job_id": "J-1"}, INVALID),
    ]  # fmt: skip


def _many() -> list[Row]:
    low: dict[str, Any] = {"changes": {"priority": "low"}}
    same: list[dict[str, Any]] = [
        *({}, {"resolution": "x"}, {"priority": None}, {"add_labels": []}, {"title": "the same"}, {"labels": ["a"]}),
    ]
    return [
        ("bulk_update_tickets", {**_BULK, **low}, OK),
        ("bulk_update_tickets", {**low, "dry_run": True}, INVALID),
        ("bulk_update_tickets", {**_BULK, **low, "where": {"queue": "support"}}, INVALID),
        ("bulk_update_tickets", {"where": {}, **low, "dry_run": True}, INVALID),
        ("bulk_update_tickets", {"ticket_ids": ["T-000010"], **low}, INVALID),
        ("bulk_update_tickets", {"ticket_ids": ["T-000010"] * 1_001, **low, "dry_run": True}, INVALID),
        *(("bulk_update_tickets", {**_BULK, "changes": each}, INVALID) for each in same),
        ("bulk_update_tickets", {**_BULK, **low, "plan": "0" * 63}, INVALID),
        ("bulk_update_tickets", {**_BULK, **low, "plan": "0" * 64}, CONFLICT),
        ("bulk_update_tickets", {**_BULK, **low, "count": 0}, INVALID),
        ("bulk_update_tickets", {**_BULK, "changes": {"queue": "nowhere"}}, NOT_FOUND),
        ("bulk_update_tickets", {"where": {"updated_before": "2026-01-01"}, **low, "dry_run": True}, INVALID),
    ]  # fmt: skip


CALLS: list[Row] = [*_reading(), *_searching(), *_creating(), *_changing(), *_many()]

URIS: list[tuple[str, str]] = [
    ("ticket://T-000010", OK),
    ("queue://support", OK),
    *((uri, NOT_FOUND) for uri in ("ticket://T-9999999999", "queue://nowhere")),
    *(
        (uri, INVALID)
        for uri in (
            *("ticket://", "ticket:///T-000010", "ticket://T-000010/", "ticket://T-000010?x=1", "ticket://T-000010#a"),
            *("ticket://t-000010", "ticket://T%2D000010", "ticket://T-000010%00", "ticket://*", "ticket://../queue"),
            *(
                "queue://",
                "queue://Support",
                "queue://support/",
                "queue://support%2f",
                "queue://a b",
                "tickets://T-000010",
            ),
            *("tickets-export://J-1/1", "tickets-export://x", "file:///etc/passwd", "queue://'--"),
        )
    ),
]
