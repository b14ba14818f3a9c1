GRANT USAGE ON SCHEMA mcp TO mcp_reader;
GRANT SELECT ON mcp.customers, mcp.orders, mcp.order_lines TO mcp_reader;
GRANT SELECT ON public."Customer", public."Invoice", public."InvoiceLine", public."Track" TO mcp_reader;
