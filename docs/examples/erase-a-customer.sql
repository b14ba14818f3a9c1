-- As the owner of the tables (SUITE_DATABASE_OWNER_URL), in one transaction; name the tenant and the customer.
BEGIN;
SELECT set_config('app.tenant', 'acme', true);
DELETE FROM customers.changes WHERE before ? 'C-000042' OR after ? 'C-000042';
DELETE FROM customers.notes WHERE customer_id = 'C-000042';
UPDATE customers.customers
SET name = 'erased', company = NULL, email = NULL, phone = NULL, street = NULL, postal_code = NULL, city = NULL,
    tags = '{}', status = 'archived', version = version + 1
WHERE id = 'C-000042';
DELETE FROM customers.search_terms WHERE customer_id = 'C-000042' AND name <> 'erased';
COMMIT;
