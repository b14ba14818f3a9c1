"""Templates: typed variables, two forms, and nothing a template could do beyond showing what it was given."""

from typing import Any

import pytest
from pydantic import ValidationError

from servers.mail.templating.language import SOURCE_MAX
from servers.mail.templating.library import shipped
from servers.mail.templating.template import RENDERED_MAX, Template
from shared.core.errors import Invalid
from tests.harness import Suite
from tests.servers.mail.mailroom import Mailroom

pytestmark = pytest.mark.anyio

VARIABLES = {
    "name": {"type": "string", "description": "A name."},
    "lines": {"type": "list", "description": "Lines.", "required": False, "max_length": 100},
    "note": {"type": "text", "description": "A note.", "required": False, "max_length": 20_000},
}
HOSTILE = [
    "{{ range(10**9) }}",
    "{% for a in range(999999999) %}{{ a }}{% endfor %}",
    "{{ 10**10**9 }}",
    "{{ 'a' * 10**9 }}",
    "{{ name * 1000000000 }}",
    "{{ name.__class__.__mro__[1].__subclasses__() }}",
    "{{ name['__class__'] }}",
    "{{ name|attr('__class__') }}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__ }}",
    "{{ config }}",
    "{{ self }}",
    "{{ name.format(1) }}",
    "{{ '%099999999d' % 1 }}",
    "{{ name|center(1000000000) }}",
    "{{ name|replace('', name) }}",
    "{{ name|safe }}",
    "{{ name is defined }}",
    "{{ [name, name] }}",
    "{{ {'a': name} }}",
    "{{ name ~ name }}",
    "{% set name = name %}",
    "{% macro again() %}{{ again() }}{% endmacro %}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends 'other' %}",
    "{% block body %}{% endblock %}",
    "{% filter upper %}a{% endfilter %}",
    "{% autoescape false %}{{ name }}{% endautoescape %}",
    "{% for a in lines %}{% for b in lines %}{{ b }}{% endfor %}{% endfor %}",
    "{% for a in name %}{{ a }}{% endfor %}",
    "{% for a in lines recursive %}{{ loop(lines) }}{% endfor %}",
    "{% for a, b in lines %}{{ a }}{% endfor %}",
    "{% for a in lines if a %}{{ a }}{% endfor %}",
    "{{ unknown }}",
    "{{ name",
    "{{ " + "not " * 5_000 + "name }}",
    "{{ " + "(" * 20_000 + "name" + ")" * 20_000 + " }}",
    "a" * (SOURCE_MAX + 1),
    "a\0b",
]


def template(text: str, **more: Any) -> Template:
    facts = {"name": "own", "version": 1, "title": "Own", "description": "Own.", "subject": "A", "text": text, **more}
    return Template.model_validate({"variables": VARIABLES, **facts}, strict=False)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: str(text)[:40])
@pytest.mark.parametrize("part", ["text", "html", "subject"])
def test_what_could_run_away_or_reach_out_is_no_template(text: str, part: str) -> None:
    with pytest.raises(ValidationError):
        template("A", **{part: text}) if part != "text" else template(text)


@pytest.mark.parametrize("text", HOSTILE[:4], ids=lambda text: str(text)[:40])
async def test_a_hostile_template_that_is_kept_is_not_used(suite: Suite, text: str) -> None:
    await suite.sql(
        "INSERT INTO mail.templates (tenant_id, name, title, description, subject, text, variables, created_by)"
        " VALUES ('acme', 'hostile', 'A', 'A', 'A', $1, '{}', 'a')"
        " ON CONFLICT (tenant_id, name) DO UPDATE SET text = $1",
        text,
    )
    failed = await Mailroom(suite).failure("send_email", sender="support", to=["a@b.example"], template="hostile")
    assert failed["code"] == "conflict"
    listed = await Mailroom(suite).told("list_templates")
    assert "hostile" not in [one["name"] for one in listed["templates"]]


def test_html_is_escaped_and_text_is_not() -> None:
    made = template("{{ name }} & {{ note }}", html="<b title='{{ name }}'>{{ note }}</b>").render(
        {"name": "<Ada> 'O", "note": "1 < 2"}
    )
    assert made.text == "<Ada> 'O & 1 < 2"
    assert made.html == "<b title='&lt;Ada&gt; &#39;O'>1 &lt; 2</b>"


def test_the_largest_mail_a_template_makes_is_bounded() -> None:
    loop = template("{% for line in lines %}{{ note }}{% endfor %}")
    with pytest.raises(Invalid, match=str(RENDERED_MAX)):
        loop.render({"name": "A", "lines": ["a"] * 100, "note": "n" * 20_000})


def test_a_subject_stays_in_its_line() -> None:
    assert template("A", subject="Re:\n{{ note }}").render({"name": "A", "note": "a\r\nBcc: b@c.example"}).subject == (
        "Re: a Bcc: b@c.example"
    )


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("order", "a\nb"), ("order", "o" * 21), ("order", 5), ("expected_on", "31.3.2026"),
        ("expected_on", "2026-02-30"), ("items", "one"), ("items", ["a\nb"]), ("items", ["a"] * 51),
        ("refund", "1e9"), ("refund", "-1"),
        ("refund", "ten"), ("refund", True), ("refund", float("inf")), ("order", None), ("nothing", "a"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_named_with_what_would(name: str, given: Any) -> None:
    fitting: dict[str, Any] = {"name": "Ada", "order": "O-1", "expected_on": "2026-03-31"}
    shipped()["order-delayed"].render(fitting)
    with pytest.raises(Invalid) as caught:
        shipped()["order-delayed"].render({**fitting, name: given})
    assert name in caught.value.message
    assert not isinstance(given, str) or given not in caught.value.message or len(given) < 4


@pytest.mark.parametrize(
    "given", ["http://a.example", "javascript:alert(1)", "https://a@b.example", "https://a b", "//a", 5]
)
def test_a_url_is_one_that_people_may_follow(given: Any) -> None:
    fitting: dict[str, Any] = {"name": "Ada", "contact": "Bob"}
    with pytest.raises(Invalid):
        shipped()["welcome"].render({**fitting, "handbook": given})
    assert "https://a.example/b" in shipped()["welcome"].render({**fitting, "handbook": "https://a.example/b"}).text


async def test_the_shipped_ones_are_listed_and_a_tenants_own_go_before_them(suite: Suite) -> None:
    listed = {one["name"]: one for one in (await Mailroom(suite, "auditor").told("list_templates"))["templates"]}
    assert {"welcome", "order-delayed", "renewal"} <= listed.keys()
    assert listed["renewal"]["variables"]["seats"] == {
        "type": "integer", "description": "How many seats it is for.", "required": True, "max_length": None,
        "minimum": 1, "maximum": 100_000, "fill": None,
    }  # fmt: skip
    await suite.sql(
        "INSERT INTO mail.templates"
        " (tenant_id, name, version, title, description, subject, text, variables, created_by) VALUES"
        " ('globex', 'welcome', 7, 'Ours', 'Ours.', 'Ours', 'Ours', '{}', 'a')"
    )
    sent = {"sender": "support", "to": ["a@b.example"], "template": "welcome"}
    assert (await Mailroom(suite, "outsider").told("preview_email", **sent))["text"].strip() == "Ours"
    assert (await Mailroom(suite).failure("preview_email", **sent))["code"] == "invalid"
