"""WHERE facts come from: one file for each AWS API. Siblings do not know each other.

A source is asked to `read(target, known, now)` and returns a `Reading`: plain data. It touches no ledger, no registry
and no clock of its own; it remembers nothing that it could not lose. What it must know after a restart are its notes.
"""
