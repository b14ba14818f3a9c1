"""Clients of MCP, and what each has to be told: printed ready to use, or merged into the client's own file."""
