-- The same with two tenants, whose rows carry the same ids: views over the views above.

ALTER SCHEMA mcp RENAME TO shop;
CREATE SCHEMA mcp;

CREATE TABLE shop.branches (tenant_id text PRIMARY KEY);
INSERT INTO shop.branches VALUES ('acme'), ('globex');

CREATE VIEW mcp.customers WITH (security_invoker = true) AS
SELECT branches.tenant_id, customers.id, customers.name || ' of ' || branches.tenant_id AS name, company, email, phone,
       street, postal_code, city, country, locale, status, segment, tags, version, created_at, updated_at
FROM shop.customers CROSS JOIN shop.branches;

CREATE VIEW mcp.orders WITH (security_invoker = true) AS
SELECT branches.tenant_id, orders.id, customer_id, status, ordered_at, currency,
       CASE branches.tenant_id WHEN 'acme' THEN total ELSE total + 1000 END AS total, line_count
FROM shop.orders CROSS JOIN shop.branches;

CREATE VIEW mcp.order_lines WITH (security_invoker = true) AS
SELECT branches.tenant_id, order_id, line, branches.tenant_id || ' ' || sku AS sku, description, quantity, unit_price
FROM shop.order_lines CROSS JOIN shop.branches;

GRANT USAGE ON SCHEMA mcp, shop TO mcp_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA mcp, shop TO mcp_reader;
