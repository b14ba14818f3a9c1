"""Sessions of the 2025 era at any replica: what they are is in Redis, so no request has to find its way back.

`endpoint.py` takes POST, GET and DELETE; `exchange.py` answers one request, as JSON or as a stream of events that is
kept; `questions.py` asks the client something, whose answer may arrive elsewhere; `underway.py` lets word from any
replica end what runs here; `streams.py` goes on with a stream that another replica began, and tells of changes.
"""
