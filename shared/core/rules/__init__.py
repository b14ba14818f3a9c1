"""What settings must not say together, by topic; `shared/core/safety.py` joins them (docs/unsafe-settings.md)."""
