"""The words that a search index is given."""

import pytest

from servers.documents.formats import plain


@pytest.mark.parametrize(
    ("markdown", "words"),
    [
        ("# A *b* **c** ~~d~~", "A b c d"),
        ("2 * 3 * 4 and snake_case_word", "2 * 3 * 4 and snake_case_word"),
        ("[text](https://secret.example 'title') and ![seen](x.png)", "text and seen"),
        ("[text][ref] [ref]\n\n[ref]: https://secret.example", "text ref"),
        ("`a < b` and ``x ` y``", "a < b and x ` y"),
        ("```python\n# code\nif a < b: pass\n```", "# code\nif a < b: pass"),
        ("a<!-- unsaid -->b {/* unsaid */}c", "ab c"),
        ("<!--\n# unsaid\n\nunsaid\n-->\n\nsaid", "said"),
        ("{/* unsaid\n\nunsaid */}\n\nsaid", "said"),
        ("<script>\nunsaid\n\nunsaid\n</script>\n\nsaid", "said"),
        ("<svg><text>unsaid</text></svg>said <style>unsaid</style>", "said"),
        ("a <span hidden>unsaid <span>unsaid</span> unsaid</span>b", "a b"),
        ("<div style='color: red; display:none'>\n\nunsaid\n\n</div>\n\nsaid", "said"),
        ("<p aria-hidden='true'>unsaid</p> said", "said"),
        ('<Card title="hidden costs">said</Card>', "hidden costs said"),
        ("<span>in</span>ter<b>nal</b> <td>a</td><td>b</td>", "internal a b"),
        ("&lt;b&gt; &amp; &#x41; &unknown; &#0;", "<b> & A &unknown; \ufffd"),
        ("\\*a\\* \\<b>", "*a* <b>"),
        ("| a | b |\n|---|---|\n| c | d |", "a\nb\nc\nd"),
        ("> - 1. quoted", "quoted"),
        ("export const x = 1\n\nsaid", "said"),
        ("1 <2 and x<y", "1 <2 and x<y"),
        ("unclosed <b and [c and `d and *e", "unclosed <b and [c and `d and *e"),
        ("", ""),
    ],
)
def test_only_what_is_seen_is_said(markdown: str, words: str) -> None:
    assert plain(markdown) == words
