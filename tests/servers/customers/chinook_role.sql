CREATE ROLE mcp_reader LOGIN PASSWORD 'change-me';
