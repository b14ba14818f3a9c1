"""Names of tags and attributes, and what is known of them (HTML Standard, chapters 4 and 15)."""

# fmt: off
VOID = frozenset({
    "area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "image", "img", "input", "keygen",
    "link", "meta", "param", "source", "track", "wbr",
})
"""They have no content."""
RAW = frozenset({
    "iframe", "noembed", "noframes", "noscript", "script", "style", "textarea", "title", "xmp",
})
"""Tags in them are text."""
UNSEEN = frozenset({
    "annotation", "annotation-xml", "applet", "audio", "base", "basefont", "bgsound", "canvas", "datalist",
    "dialog", "embed", "head", "iframe", "link", "meta", "mphantom", "noembed", "noframes", "noscript", "object",
    "param", "rp", "script", "source", "style", "svg", "template", "title", "track", "video",
})
"""Nothing of them is shown, or nothing but what is fetched."""
PICTURES = frozenset({
    "image", "img",
})
BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "button", "center", "dd", "details", "dialog", "dir",
    "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6",
    "header", "hgroup", "html", "iframe", "li", "listing", "main", "marquee", "menu", "nav", "object", "ol", "p",
    "pre", "search", "section", "select", "summary", "table", "tbody", "td", "template", "textarea", "tfoot", "th",
    "thead", "tr", "ul", "xmp",
})
"""No closing tag of another kind reaches through them."""
SPARED = frozenset({
    "dd", "dt", "li", "option", "p", "td", "th", "tr",
})
"""They end where the next of their kind begins, and with their block, closing tag or not."""
FORMATTING = frozenset({
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
})
"""They go on in the next paragraph."""
APART = frozenset({
    "applet", "caption", "object", "select", "template", "xmp",
})
"""No paragraph's end reaches into them."""
FETCHING = frozenset({
    "archive", "background", "classid", "code", "codebase", "data", "dynsrc", "imagesrcset", "lowsrc", "ping",
    "poster", "src", "srcset",
})
"""Attributes whose value a browser asks for."""
FETCHING_OF_COMPONENTS = frozenset({
    "avatar", "background", "cover", "icon", "image", "img", "logo", "poster", "src", "srcset", "thumbnail",
})
"""The same of components, where another site is named."""
ADDRESSES = frozenset({
    "action", "cite", "formaction", "href", "link", "longdesc", "manifest", "profile", "to", "url", "usemap",
    "xlink:href",
})
"""Attributes that lead somewhere when they are followed."""
MAY_BE_LONG = frozenset({
    "class", "classname", "id", "label", "placeholder", "rel", "role", "style", "value",
})
"""Attributes of several words that are shown, or are no words."""
SWITCHES = frozenset({
    "allowfullscreen", "async", "autofocus", "autoplay", "checked", "compact", "controls", "default", "defer",
    "disabled", "hidden", "inert", "ismap", "itemscope", "loop", "markdown", "multiple", "muted", "noshade",
    "novalidate", "nowrap", "open", "playsinline", "popover", "readonly", "required", "reversed", "selected",
})
"""Attributes without a value."""
# fmt: on
