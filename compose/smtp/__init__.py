"""An SMTP server that delivers nothing: it keeps the last mails and shows them, for laptops, tests and drills."""
