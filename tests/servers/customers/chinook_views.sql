-- What a company with the Chinook database writes so that the customers server can read it.

CREATE SCHEMA mcp;

CREATE VIEW mcp.customers WITH (security_invoker = true) AS
SELECT 'C-' || lpad("CustomerId"::text, 8, '0') AS id,
       "FirstName" || ' ' || "LastName"         AS name,
       nullif("Company", '')                    AS company,
       nullif("Email", '')                      AS email,
       nullif("Phone", '')                      AS phone,
       nullif("Address", '')                    AS street,
       nullif("PostalCode", '')                 AS postal_code,
       nullif("City", '')                       AS city,
       CASE "Country"
           WHEN 'Argentina' THEN 'AR' WHEN 'Australia' THEN 'AU' WHEN 'Austria' THEN 'AT' WHEN 'Belgium' THEN 'BE'
           WHEN 'Brazil' THEN 'BR' WHEN 'Canada' THEN 'CA' WHEN 'Chile' THEN 'CL' WHEN 'Czech Republic' THEN 'CZ'
           WHEN 'Denmark' THEN 'DK' WHEN 'Finland' THEN 'FI' WHEN 'France' THEN 'FR' WHEN 'Germany' THEN 'DE'
           WHEN 'Hungary' THEN 'HU' WHEN 'India' THEN 'IN' WHEN 'Ireland' THEN 'IE' WHEN 'Italy' THEN 'IT'
           WHEN 'Netherlands' THEN 'NL' WHEN 'Norway' THEN 'NO' WHEN 'Poland' THEN 'PL' WHEN 'Portugal' THEN 'PT'
           WHEN 'Spain' THEN 'ES' WHEN 'Sweden' THEN 'SE' WHEN 'USA' THEN 'US' WHEN 'United Kingdom' THEN 'GB'
       END                                      AS country,
       'en'                                     AS locale,
       'active'                                 AS status,
       CASE WHEN "Company" = '' THEN 'consumer' ELSE 'small_business' END AS segment,
       ARRAY['rep-' || "SupportRepId"]          AS tags,
       1                                        AS version,
       timestamptz '2021-01-01 00:00:00Z'       AS created_at,
       timestamptz '2021-01-01 00:00:00Z'       AS updated_at
FROM public."Customer";

CREATE VIEW mcp.orders WITH (security_invoker = true) AS
SELECT 'O-' || lpad("InvoiceId"::text, 8, '0')  AS id,
       'C-' || lpad("CustomerId"::text, 8, '0') AS customer_id,
       'paid'                                   AS status,
       "InvoiceDate" AT TIME ZONE 'UTC'         AS ordered_at,
       'USD'                                    AS currency,
       "Total"                                  AS total,
       (SELECT count(*) FROM public."InvoiceLine" AS line WHERE line."InvoiceId" = "Invoice"."InvoiceId") AS line_count
FROM public."Invoice";

-- PARTITION BY the same expression as order_id, so that PostgreSQL numbers one order's lines and not everybody's.
CREATE VIEW mcp.order_lines WITH (security_invoker = true) AS
SELECT 'O-' || lpad("InvoiceId"::text, 8, '0')  AS order_id,
       row_number() OVER (
           PARTITION BY 'O-' || lpad("InvoiceId"::text, 8, '0') ORDER BY "InvoiceLineId"
       )                                        AS line,
       'T-' || "TrackId"                        AS sku,
       "Track"."Name"                           AS description,
       "Quantity"                               AS quantity,
       "InvoiceLine"."UnitPrice"                AS unit_price
FROM public."InvoiceLine" JOIN public."Track" USING ("TrackId");
