"""The HTTP server: it sends bytes that were made before, and renders, compresses and asks nothing.

`server` speaks HTTP, `negotiation` picks a format, `status` writes the page for people.
"""
