"""The promise holds in a short storm. Longer ones: `make storm`."""

from pathlib import Path

import pytest

from tests.storm.storm import storm

SECONDS = 12
SEED = 20


@pytest.mark.timeout(240)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_promise_holds_in_a_storm(kind: str, tmp_path: Path) -> None:
    """Every acknowledged request ends once, is asked for once, told and shown, whatever is broken meanwhile."""
    verdict = storm(kind, seconds=SECONDS, seed=SEED, folder=tmp_path)
    again = f"python -m tests.storm --database {kind} --seconds {SECONDS} --seed {SEED}"
    assert verdict.broken == [], "\n".join([f"again: {again}", verdict.summary, *verdict.diary])
