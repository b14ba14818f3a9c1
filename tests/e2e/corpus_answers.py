"""What is in the corpus, as somebody says who has read it: nothing here is taken from what the servers answer."""

COUNTS = {
    **{"": 2, "community": 28, "development": 1, "docs": 110, "extensions": 8, "registry": 11, "seps": 42},
    **{"snippets": 1, "specification": 142},
}
"""Files by topmost folder: all versions of the specification and of its guides, and what has no versions."""

TITLES = {
    "LICENSE": "LICENSE",
    "examples.mdx": "Example Servers",
    "community/antitrust.mdx": "Antitrust Policy",
    "community/contributor-ladder.mdx": "Contributor Ladder",
    "community/interest-groups/tool-annotations.mdx": "Tool Annotations Charter",
    "community/working-groups/inspector-v2.mdx": "Inspector V2 Working Group Charter",
    "development/roadmap.mdx": "Roadmap",
    "docs/2024-11-05/getting-started/intro.mdx": "What is the Model Context Protocol (MCP)?",
    "docs/2025-03-26/develop/build-client.mdx": "Build an MCP client",
    "docs/2025-06-18/tools/debugging.mdx": "Debugging",
    "docs/2025-11-25/tutorials/security/security_best_practices.mdx": "Security Best Practices",
    "docs/2026-07-28/tools/inspector/tui.mdx": "TUI client",
    "docs/draft/sdk.mdx": "SDKs",
    "extensions/client-matrix.mdx": "Extension Support Matrix",
    "registry/about.mdx": "The MCP Registry",
    "registry/faq.mdx": "Frequently Asked Questions",
    "registry/quickstart.mdx": "Quickstart: Publish an MCP Server to the MCP Registry",
    "seps/index.mdx": "Specification Enhancement Proposals (SEPs)",
    "seps/1577--sampling-with-tools.mdx": "SEP-1577: Sampling With Tools",
    "seps/2207-oidc-refresh-token-guidance.mdx": "SEP-2207: OIDC-Flavored Refresh Token Guidance",
    "seps/2322-MRTR.mdx": "SEP-2322: Multi Round-Trip Requests",
    "snippets/snippet-intro.mdx": "Snippet intro",
    "specification/2024-11-05/basic/messages.mdx": "Messages",
    "specification/2025-03-26/server/utilities/pagination.mdx": "Pagination",
    "specification/2025-06-18/schema.mdx": "Schema Reference",
    "specification/2025-11-25/basic/utilities/tasks.mdx": "Tasks",
    "specification/2026-07-28/basic/transports/stdio.mdx": "stdio",
    "specification/2026-07-28/deprecated.mdx": "Deprecated Features",
    "specification/draft/changelog.mdx": "Changelog",
}

OUTLINES: dict[str, list[tuple[int, str]]] = {
    "registry/quickstart.mdx": [
        (2, "Prerequisites"),
        (2, "Step 1: Add verification information to the package"),
        (2, "Step 2: Publish the package"),
        (2, "Step 3: Install mcp-publisher"),
        (2, "Step 4: Create server.json"),
        (2, "Step 5: Authenticate with the MCP Registry"),
        (2, "Step 6: Publish to the MCP Registry"),
        (2, "Troubleshooting"),
        (2, "Next Steps"),
    ],
    "extensions/tasks/overview.mdx": [
        (2, "Why not just block?"),
        (2, "How Tasks work"),
        (2, "When to use Tasks"),
        (2, "Task lifecycle"),
        (2, "Notifications"),
        (2, "Implementation guide"),
        (3, "For MCP clients"),
        (3, "For MCP servers"),
        (2, "Client support"),
        (2, "Specification"),
    ],
    "specification/2024-11-05/basic/utilities/ping.mdx": [
        (2, "Overview"),
        (2, "Message Format"),
        (2, "Behavior Requirements"),
        (2, "Usage Patterns"),
        (2, "Implementation Considerations"),
        (2, "Error Handling"),
    ],
}
"""Lines that begin with `#` in blocks of code are no headings."""

_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28", "draft")
LINKED: dict[str, tuple[set[str], set[str]]] = {
    "registry/quickstart.mdx": (
        {f"registry/{page}.mdx" for page in ("authentication", "github-actions", "package-types", "remote-servers")},
        {f"docs/{version}/develop/build-with-agent-skills.mdx" for version in _VERSIONS},
    ),
    "registry/about.mdx": (
        {
            f"registry/{page}.mdx"
            for page in ("authentication", "moderation-policy", "package-types", "registry-aggregators")
        },
        {
            "community/contributing.mdx",
            "docs/2026-07-28/tools/inspector/recipes.mdx",
            "docs/draft/tools/inspector/recipes.mdx",
        },
    ),
    "registry/faq.mdx": (set(), set()),
    "community/sdk-tiers.mdx": (
        set(),
        {
            "community/feature-lifecycle.mdx",
            "community/working-groups/sdk.mdx",
            "development/roadmap.mdx",
            *(f"docs/{version}/sdk.mdx" for version in _VERSIONS),
        },
    ),
}
"""Path → what it links to, and what links to it."""

_ANY = r"[\w.-]+"
SEARCHES = {
    # A word, or some
    "antitrust": "community/antitrust.mdx",
    "contributor ladder": "community/contributor-ladder.mdx|seps/2148-contributor-ladder.mdx",
    "moderation policy": "registry/moderation-policy.mdx",
    "publish github actions": "registry/github-actions.mdx",
    "token passthrough": f"docs/{_ANY}/tutorials/security/security_best_practices.mdx",
    "make mcp stateless": "seps/2575-stateless-mcp.mdx",
    "TTL list results": "seps/2549-TTL-for-list-results.mdx",
    "registry aggregators": "registry/registry-aggregators.mdx",
    "refresh token": "seps/2207-oidc-refresh-token-guidance.mdx",
    "pagination cursor": f"specification/{_ANY}/server/utilities/pagination.mdx",
    "trace context opentelemetry": "seps/414-request-meta.mdx",
    "weather forecast server python": f"docs/{_ANY}/develop/build-server.mdx",
    "resource not found error code": "seps/2164-resource-not-found-error.mdx",
    # Words that stand together
    '"server card"': "community/working-groups/server-card.mdx",
    '"tool names" format': "seps/986-specify-format-for-tool-names.mdx",
    '"sampling with tools"': "seps/1577--sampling-with-tools.mdx",
    # How words begin
    "antitru*": "community/antitrust.mdx",
    "govern* succession": "seps/2085-governance-succession-and-amendment.mdx",
    # One of several, and not another
    "antitrust OR cartel": "community/antitrust.mdx",
    "registry spam -npm": "registry/terms-of-service.mdx",
    # Questions as people ask them
    "How do I publish my MCP server to the official registry?": "registry/quickstart.mdx",
    "What must a client show before it installs a local MCP server?": "seps/1024-mcp-client-security-requirements-.*",
    "How can I debug my server with the Inspector?": f"docs/{_ANY}/tools/(debugging|inspector|inspector/{_ANY}).mdx",
    "Why were roots, sampling and logging deprecated?": "seps/2577-deprecate-roots-sampling-and-logging.mdx",
    "How do I connect Claude Desktop to the filesystem server?": f"docs/{_ANY}/develop/connect-local-servers.mdx",
    "Where do I report a security vulnerability?": "community/security.mdx",
    "Which hint says that a tool is destructive?": f"specification/{_ANY}/(schema|server/tools).mdx",
    "Who can become a core maintainer?": "community/(governance|contributor-ladder).mdx|seps/(932|2148)-.*",
    "How long are deprecated features kept before removal?": "community/feature-lifecycle.mdx|seps/2596-.*",
    "Can I delete my server from the registry?": "registry/faq.mdx",
    "Which SDKs are there for Java and Kotlin?": f"docs/{_ANY}/sdk.mdx",
}
"""Query → pattern of the path of the first hit: where pages are there in several versions, any of them will do."""

NOTHING = ("antitrsut", "elicitaton", "quokka", "xylophonist*", '"ladder contributor"', "antitrust -antitrust")
"""Misspelt, absent, in another order, or contradictory."""
