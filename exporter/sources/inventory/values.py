"""What a family shows, before it is known of which target and until when."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from exporter.catalogue import CATALOGUE

Value = tuple[str, tuple[str, ...], float | None]  # family without its prefix, label values after the target's, value


def states(name: str, labels: tuple[str, ...], holds: str | Collection[str]) -> Iterator[Value]:
    """Yield a state set: 1 for what holds, 0 for the other known states; an unknown one passes through."""
    states = CATALOGUE[f"sagemaker_{name}"].known("status")
    holding = {holds} if isinstance(holds, str) else set(holds)
    for state in (*states, *sorted(holding - set(states))):
        yield name, (*labels, state), float(state in holding)
