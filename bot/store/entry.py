"""How requests enter the queue.

It knows what is stored of them. It refuses to know whether they may be asked at all, and when it is their turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert

from bot.store.statement import Statement
from bot.store.tables import commands, requests
from bot.store.writing import Transaction
from bot.trail import Asker

_NEW_COMMAND = Statement(insert(commands))
_NEW_REQUESTS = Statement(insert(requests))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """A request that was admitted, or a label that was denied beside one that was admitted."""

    request_id: str
    label: str
    kinds: tuple[str, ...]
    stations: tuple[str, ...] = ()
    outcome: str | None = None
    rule: str | None = None
    until: int | None = None


def add(
    tx: Transaction,
    *,
    command_id: str,
    asker: Asker,
    response_url: str | None,
    response_url_until: int | None,
    announced: bool,
    turn: int,
    new: Sequence[NewRequest],
) -> None:
    """Queue the requests of one command from `turn` on; those with an outcome are done already."""
    rows: list[dict[str, Any]] = [
        {
            "request_id": one.request_id,
            "command_id": command_id,
            "place": place,
            "label": one.label,
            "kinds": " ".join(one.kinds),
            "stations": " ".join(one.stations),
            "turn": turn + place,
            "admitted_at": tx.now,
            "state": "open" if one.outcome is None else "done",
            "attempts": 0,
            "not_before": 0,
            "outcome": one.outcome,
            "rule": one.rule,
            "until": one.until,
        }
        for place, one in enumerate(new)
    ]
    _NEW_COMMAND.later(
        tx.connection,
        command_id=command_id,
        source=asker.source,
        team_id=asker.team_id,
        channel_id=asker.channel_id,
        user_id=asker.user_id,
        admitted_at=tx.now,
        response_url=response_url,
        response_url_until=response_url_until,
        announced=announced,
        open_count=sum(one.outcome is None for one in new),
        last_turn=max((row["turn"] for row in rows if row["state"] == "open"), default=None),
        reply_tries=0,
    )
    for row in rows:
        _NEW_REQUESTS.later(tx.connection, **row)
