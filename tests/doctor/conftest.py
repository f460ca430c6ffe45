"""An installation in which nothing is wrong, to be broken."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import opened
from tests.processes import AUDIT, World, free_port, world


@pytest.fixture
def here(tmp_path: Path, database_url: str) -> Iterator[World]:
    """Give a world with its tables, a private audit channel, and a port of its own."""
    with opened(database_url), world(tmp_path, database_url, PORT=str(free_port())) as made:
        made.slack.channels[AUDIT].is_private = True
        yield made
