"""Amazon SageMaker as Prometheus data: CloudWatch's final numbers, each event once, and a word when we can't know.

A street that every fact walks once, and never back:

                 config           catalogue: the rows say what to ask and what it is called
                    |                 |
    scheduler -> collection -> source.read(target, known, now) -> Reading -> ledger.apply -> Snapshot -> Page (/metrics)
     (when)      (guard,          |         |                                (one             (frozen)
                  time, report)   aws       inventory                         transaction)

Read in this order: `model`, `catalogue.endpoints`, `sources.cloudwatch_metrics`, `collection`, `ledger`,
`sinks.prometheus`. Who may import whom is written down, and checked, in pyproject.toml.
"""

__version__ = "0.1.0.dev0"
