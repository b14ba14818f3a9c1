"""A server of books in memory: everything the read side of MCP has, and nothing that needs a table."""
