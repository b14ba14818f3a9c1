CREATE INDEX ON public."Customer" (('C-' || lpad("CustomerId"::text, 8, '0')));
CREATE INDEX ON public."Invoice" (('O-' || lpad("InvoiceId"::text, 8, '0')));
CREATE INDEX ON public."Invoice" (('C-' || lpad("CustomerId"::text, 8, '0')), "InvoiceDate");
CREATE INDEX ON public."InvoiceLine" ("InvoiceId");
CREATE INDEX ON public."InvoiceLine" (('O-' || lpad("InvoiceId"::text, 8, '0')));
