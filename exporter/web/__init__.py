"""The HTTP server: it sends bytes that were made before, and renders, compresses and asks nothing.

`server` takes connections and answers requests: `heads` reads them, `gate` says who is let in (by the terms of
`config`, the file of --web.config.file, and by `passwords`), `site` says what is where, `negotiation` picks a format,
`status` writes the page for people.
"""
