"""Tickets in Jira Cloud, by its REST API v3 (https://developer.atlassian.com/cloud/jira/platform/rest/v3/).

- `options.py`     which project, type, status and priority there is which word of ours
- `shapes.py`      what of Jira's answers we take, checked
- `fields.py`      an issue as a ticket, and the fields of a ticket as Jira takes them
- `adf.py`         its rich text and ours
- `jql.py`         questions in its query language
- `markers.py`     how a write is found again
- `reading.py`     issues, comments, moves, people
- `creating.py` · `editing.py` · `commenting.py` · `moving.py` · `linking.py`  one write each
- `refusals.py`    what it says when it refuses
"""
