"""The mock identity provider: OAuth 2.1 for laptops, tests and demos.

Nobody proves who they are here: never expose it.
"""
