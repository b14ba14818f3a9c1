"""What is left of HTML: nothing that runs, loads, hides or leads elsewhere."""

from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from servers.mail.safety.html import safe_html
from servers.mail.safety.rules import Rules
from tests.servers.mail.safety.mails import RULES, dangers

PNG = "data:image/png;base64," + b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 20).decode()

TAKEN_OUT = [
    ("<script>alert(1)</script>", "script"),
    ("<scr<script>ipt>alert(1)</script>", "tag"),
    ("<p onclick=alert(1)>x", "event"),
    ("<img/src='x'/onerror=alert(1)>", "event"),
    ("<a href='javascript:alert(1)'>x</a>", "script_link"),
    ("<a href='java\tscript:alert(1)'>x</a>", None),
    ("<a href='&#x6a;avascript:alert(1)'>x</a>", "script_link"),
    ("<a href=' JaVaScRiPt:alert(1)'>x</a>", "script_link"),
    ("<a href='data:text/html,<script>x</script>'>x</a>", "script_link"),
    ("<a href='vbscript:x'>x</a>", "script_link"),
    ("<a href='http://plain.example/'>x</a>", "link_scheme"),
    ("<a href='ftp://plain.example/'>x</a>", "link_scheme"),
    ("<a href='/relative'>x</a>", "link_scheme"),
    ("<a href='//host.example/x'>x</a>", "link_scheme"),
    ("<form action=https://x.example><input name=a></form>", "form"),
    ("<iframe src=https://x.example></iframe>", "frame"),
    ("<iframe srcdoc='<script>x</script>'></iframe>", "frame"),
    ("<object data=x></object><embed src=x>", "frame"),
    ("<svg onload=alert(1)><script>x</script></svg>", "foreign"),
    ("<math><mtext><table><mglyph><style><img src=x onerror=x>", "foreign"),
    ("<base href=https://x.example/>", "document"),
    ("<meta http-equiv=refresh content='0;url=https://x.example'>", "document"),
    ("<style>@import 'https://x.example/a.css'</style>", "style_sheet"),
    ("<link rel=stylesheet href=https://x.example/a.css>", "style_sheet"),
    ("<!--[if mso]><img src=https://x.example/a.png><![endif]-->x", "comment"),
    ("a<!-- hidden -->b", "comment"),
    ("<p style='background:url(https://x.example/a)'>x", None),
    ("<p style='width:expression(alert(1))'>x", None),
    ("<p style='color:red;position:fixed;top:0'>x", None),
    ("<p style='col\\6fr:red'>x", None),
    ("<p style='display:none'>x", "hidden_text"),
    ("<p hidden>x", "hidden_text"),
    ("<p style='font-size:0'>x", "hidden_text"),
    ("<p style='font-size:1px'>x", "hidden_text"),
    ("<p style='color:#fff'>x", "hidden_text"),
    ("<p style='color:transparent'>x", "hidden_text"),
    ("<p style='color:rgba(0,0,0,0)'>x", "hidden_text"),
    ("<p style='background-color:black'><b>x</b>", "hidden_text"),
    ("<p style='opacity:0.01'>x", "hidden_text"),
    ("<table bgcolor=black><tr><td><font color=#000001>x</font></table>", "hidden_text"),
    ("<img src=https://t.example/o.gif width=1 height=1>", "tracking_pixel"),
    ("<img src=https://images.example.com/o.gif width=1>", "tracking_pixel"),
    ("<img src=https://images.example.com/o.gif style='display:none'>", "tracking_pixel"),
    ("<img src=https://t.example/big.png>", "remote_image"),
    ("<img src=http://images.example.com/big.png>", "remote_image"),
    ("<img src='data:image/svg+xml;base64,PHN2Zz4='>", "data_image"),
    ("<img src='data:image/png;base64,AAAA'>", "data_image"),
    ("<img srcset='https://t.example/a.png 2x'>", None),
    ("<video src=https://t.example/a.mp4></video>", "media"),
    ("<noscript><p title='</noscript><img src=x onerror=alert(1)>'>", None),
    ("<a href='https://u:p@host.example/'>x</a>", "link_credentials"),
    ("<a href='https://127.0.0.1/'>x</a>", "link_ip"),
    ("<a href='https://2130706433/'>x</a>", "link_ip"),
    ("<a href='https://0x7f.1/'>x</a>", "link_ip"),
    ("<a href='https://[::1]/'>x</a>", "link_ip"),
    ("<a href='https://pаypal.com/'>x</a>", "link_lookalike"),
    ("<a href='https://paypa1.com/'>x</a>", "link_lookalike"),
    ("<a href='https:\\\\x.example'>x</a>", "broken_link"),
    ("<a href='https://a.example/..\\\\x'>x</a>", "broken_link"),
    ("<a href='https://denied.example/x'>x</a>", "link_denied"),
    ("<a href='https://www.denied.example/x'>x</a>", "link_denied"),
    ("<a href='mailto:a@x.example?bcc=b@x.example'>x</a>", "broken_link"),
    ("<a href='mailto:a@x.example%0d%0aBcc:b@x.example'>x</a>", "broken_link"),
    ("<p>a\u202eb</p>", "bidi"),
    ("<p>a&#x200b;b</p>", "control"),
]


@pytest.mark.parametrize(("html", "kind"), TAKEN_OUT)
def test_what_is_dangerous_is_taken_out_and_named(html: str, kind: str | None) -> None:
    safe = safe_html(html, RULES)
    assert safe.html is not None
    assert dangers(safe.html) == []
    assert "denied" not in safe.html
    assert "t.example" not in safe.html
    assert "o.gif" not in safe.html
    assert "paypa1" not in safe.html
    assert kind is None or kind in {found.kind for found in safe.findings}
    assert safe_html(safe.html, RULES).html == safe.html


KEPT = [
    '<p style="background-color:#003366;color:white">x</p>',
    '<p style="color:rgba(0, 0, 0, 0.8)">x</p>',
    '<p style="color:#333333;font-size:14px">Hello <b>Ada</b></p>',
    '<a href="https://example.com/orders?id=1" rel="noopener noreferrer">Your order</a>',
    '<a href="mailto:help@example.com?subject=Hello" rel="noopener noreferrer">write</a>',
    '<img src="https://images.example.com/logo.png" alt="Logo" width="120">',
    f'<img src="{PNG}">',
    '<table width="600" cellpadding="0"><tbody><tr><td align="left" bgcolor="#eeeeee">x</td></tr></tbody></table>',
    "<ul><li>one</li><li>two</li></ul>",
    "Zażółć gęślą jaźń — 日本語 👩‍👩‍👧",
]


@pytest.mark.parametrize("html", KEPT)
def test_what_mail_needs_stays_as_it_is_without_a_warning(html: str) -> None:
    safe = safe_html(html, RULES)
    assert sorted(safe.html or "") == sorted(f"{html}\n")
    assert [found for found in safe.findings if found.severity != "info"] == []


@pytest.mark.parametrize(
    ("html", "kind"),
    [
        ("<a href='https://other.example/'>https://example.com/login</a>", "link_text"),
        ("<a href='https://other.example/'>www.example.com</a>", "link_text"),
        ("<a href='mailto:x@other.example'>help@example.com</a>", "link_text"),
        ("<a href='https://go.example/?to=https%3A%2F%2Fother.test%2F'>x</a>", "link_redirects"),
        ("<a href='https://go.example/?u=//other.test/'>x</a>", "link_redirects"),
        ("<a href='https://go.example/?utm_source=a&gclid=b'>x</a>", "link_tracking"),
        ("<a href='https://bücher.example/'>x</a>", "punycode"),
        ("<a href='https://example-login.test/'>x</a>", "link_lookalike"),
    ],
)
def test_links_that_may_stay_are_noted(html: str, kind: str) -> None:
    safe = safe_html(html, RULES)
    assert "href" in (safe.html or "")
    assert kind in {found.kind for found in safe.findings}


def test_what_a_style_shows_is_not_called_hidden() -> None:
    for style in ("opacity:1", "opacity:.9", "height:20px", "font-size:0.9em", "line-height:1", "text-indent:2em"):
        assert safe_html(f"<p style='{style}'>x</p>", RULES).findings == ()


def test_a_link_that_says_where_it_leads_is_not_noted() -> None:
    for words in ("Click here", "https://example.com/login", "example.com", "www.example.com", "v1.2.3 is out"):
        safe = safe_html(f"<a href='https://example.com/login'>{words}</a>", RULES)
        assert safe.findings == ()


def test_only_listed_links_stay_if_there_is_a_list() -> None:
    rules = Rules(allowed_links=frozenset({"example.com"}))
    safe = safe_html("<a href='https://a.example.com/'>a</a><a href='https://other.test/'>b</a>", rules)
    assert "a.example.com" in (safe.html or "")
    assert "other.test" not in (safe.html or "")


def test_the_words_are_those_a_person_reads() -> None:
    safe = safe_html(
        "<h1>Order</h1><p>Hello&nbsp;<b>A</b>da,</p><ul><li>one<li>two</ul>"
        "<p>See <a href='https://example.com/o'>your order</a><br>Bye</p><img alt=Logo>",
        RULES,
    )
    assert (
        safe.words == "Order\n\nHello Ada,\n\n- one\n- two\n\nSee your order <https://example.com/o>\nBye\n\n[Logo]\n"
    )


HUGE = {
    "nesting": "<div>" * 60_000,
    "nesting behind comments": ("<div>" * 90 + "<!--" + "</div>" * 90 + "-->") * 200,
    "attributes": "<a " + " ".join(f"x{n}=1" for n in range(40_000)) + ">",
    "tags": "<b>x</b>" * 50_000,
    "size": "x" * 600_000,
    "brackets": "<" * 400_000,
}
LONG = {
    "open comments": "<!--" * 100_000,
    "open quotes": "<a href='" * 50_000,
    "ends": "</p>" * 19_000,
    "links": "<a href=x>" * 90,
    "formatting": "".join(f"<font color=#{n:06x}>" for n in range(90)) + "<p>x" * 15_000,
    "styles": f"<p style='{'color:red;' * 40_000}'>x",
    "a long style": f"<p style='color:{'a' * 400_000}'>x",
    "a long address": f"<a href='https://{'a.' * 200_000}example'>x</a>",
    "blanks": f"<p style='{' ' * 400_000}x'>{' ' * 10_000}</p>",
    "tables": "<table><tr><td>" * 90,
}


@pytest.mark.parametrize("name", HUGE)
def test_what_is_too_much_is_refused_before_it_is_parsed(name: str) -> None:
    safe = safe_html(HUGE[name], RULES)
    assert safe.html is None
    assert [found.severity for found in safe.findings] == ["block"]


@pytest.mark.parametrize("name", LONG)
def test_what_is_merely_long_is_made_safe(name: str) -> None:
    safe = safe_html(LONG[name], RULES)
    assert safe.html is None or dangers(safe.html) == []


PIECES = st.sampled_from(
    [
        *(
            "<",
            ">",
            "</",
            "/>",
            "'",
            '"',
            "=",
            "&",
            ";",
            "-->",
            "<!--",
            "<![CDATA[",
            "]]>",
            "\\",
            "\t",
            "\n",
            "\0",
            "`",
        ),
        *(
            "script",
            "style",
            "svg",
            "math",
            "img",
            "a",
            "p",
            "table",
            "td",
            "noscript",
            "template",
            "title",
            "textarea",
        ),
        *(" href=", " src=", " style=", " onerror=", " onload=", "javascript:alert(1)", "https://x.example/", "&#106;"),
        *("color:red", "url(x)", "display:none", "\u202e", "\u200d\u200d", "data:text/html,", "mglyph", "mtext", "x"),
    ]
)


@settings(max_examples=75, deadline=None)
@given(st.lists(PIECES | st.text(max_size=3), max_size=40).map("".join))
def test_whatever_is_written_is_safe_and_is_not_changed_twice(html: str) -> None:
    safe = safe_html(html, RULES)
    assert safe.html is not None
    assert dangers(safe.html) == []
    again = safe_html(safe.html, RULES)
    assert (again.html, again.words) == (safe.html, safe.words)
