"""What askers were told and have still to be: acknowledgements, announcements, replies.

It knows who tells what, and when to try again. It refuses to know what is said.
"""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Connection, bindparam, func, insert, literal_column, select, update

from bot.findings import Finding
from bot.store.presence import CHECKED, NOW, reply_is_due
from bot.store.statement import Statement
from bot.store.tables import channels, commands, deliveries, head, pace, requests
from bot.store.writing import Transaction
from bot.trail import Asker

LEASE_MS = 30_000
"""How long one try to make a reply may take; longer than all of Slack's time-outs together."""
RETRY_MS = (1_000, 2_000, 5_000, 10_000, 20_000)
"""How long to wait after the first, second, … failure; the last one holds from then on."""

_KEEP_ANSWER = Statement(insert(deliveries))
_ANNOUNCE = Statement(
    update(commands)
    .where(
        commands.c.open_count > 0,
        commands.c.announced.is_(False),
        commands.c.admitted_at < bindparam("silent_since", type_=BigInteger),
        commands.c.response_url_until > NOW,
    )
    .values(announced=True)
    .returning(commands.c.command_id, commands.c.response_url, commands.c.open_count)
)
_DUE = Statement(select(commands).where(reply_is_due(NOW)).order_by(commands.c.reply_at).limit(literal_column("2")))
_CLAIM = Statement(
    update(commands)
    .where(commands.c.command_id == bindparam("claimed"))
    .values(reply_owner=bindparam("by"), reply_at=bindparam("until"))
)
_ENDED = Statement(
    select(requests)
    .where(requests.c.command_id == bindparam("command_id"), requests.c.state == "done")
    .order_by(requests.c.place)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One request of a command, with its outcome.

    Attributes:
        outcome: `bot.store.presence.CHECKED` where it was only looked up.
        finding: what the MPC has under its label; None where that was not learned.
    """

    request_id: str
    label: str
    kinds: tuple[str, ...]
    stations: tuple[str, ...]
    outcome: str
    rule: str | None
    http_status: int | None
    detail: str | None
    until: int | None
    finding: Finding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that is due: all the outcomes of a command, for its asker alone.

    Attributes:
        response_url: None where it is used up or too old.
        tries: how often it has failed.
        age_ms: how long ago the command was admitted.
        more: another reply is due.
    """

    command_id: str
    asker: Asker
    response_url: str | None
    tries: int
    age_ms: int
    more: bool
    ended: tuple[Ended, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A command that takes long: where it stands."""

    response_url: str
    labels: int
    open_count: int
    ahead: int
    pause_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How much there is left to do.

    Attributes:
        open_requests: requests without an outcome.
        oldest: when the oldest of them was admitted, milliseconds since 1970.
        replies: commands whose asker has not been told.
        behind: how many events the audit channel lags behind the head.
        head: the number of the last event.
    """

    open_requests: int
    oldest: int | None
    replies: int
    behind: int
    head: int


def keep_answer(tx: Transaction, key: str, admission: str) -> None:
    """Keep what a delivery is answered."""
    _KEEP_ANSWER.later(tx.connection, key=key, at=tx.now, admission=admission)


def claim_reply(tx: Transaction, owner: str) -> Reply | None:
    """Take the oldest reply that is due, so that no other process makes it, too."""
    row, *others = _DUE.run(tx.connection, now=tx.now).all() or [None]
    if row is None:
        return None
    usable = row.response_url_until is not None and row.response_url_until > tx.now
    claimed = Reply(
        command_id=row.command_id,
        asker=Asker(source=row.source, team_id=row.team_id, channel_id=row.channel_id, user_id=row.user_id),
        response_url=row.response_url if usable else None,
        tries=row.reply_tries,
        age_ms=tx.now - row.admitted_at,
        more=bool(others),
        ended=ended(tx.connection, row.command_id),
    )
    _CLAIM.later(tx.connection, claimed=row.command_id, by=owner, until=tx.now + LEASE_MS)
    return claimed


def ended(connection: Connection, command_id: str) -> tuple[Ended, ...]:
    """Return the requests of a command that have their outcome, in the order in which they were typed."""
    return tuple(
        Ended(
            request_id=row.request_id,
            label=row.label,
            kinds=tuple(row.kinds.split()),
            stations=tuple(row.stations.split()),
            outcome=row.outcome,
            rule=row.rule,
            http_status=row.http_status,
            detail=row.detail,
            until=row.until,
            finding=None if row.finding is None else Finding.from_json(row.finding),
        )
        for row in _ENDED.run(connection, command_id=command_id).all()
    )


def retry_reply(
    tx: Transaction, command_id: str, *, owner: str, tries: int, drop_url: bool, wait_ms: int | None = None
) -> None:
    """Let a reply that failed be made again later: after `wait_ms`, or after a growing pause.

    Where it is not this owner's any more, whoever took it over is making it.
    """
    values: dict[str, object] = {
        "reply_owner": None,
        "reply_at": tx.now + (RETRY_MS[min(tries, len(RETRY_MS) - 1)] if wait_ms is None else wait_ms),
        "reply_tries": tries + 1,
    }
    if drop_url:
        values |= {"response_url": None, "response_url_until": None}
    own = (commands.c.command_id == command_id) & (commands.c.reply_owner == owner)
    tx.connection.execute(update(commands).where(own).values(values))


def claim_announcements(tx: Transaction, *, older_than_ms: int) -> list[Announcement]:
    """Take the commands whose askers have been waiting for so long without a word; each is told once."""
    rows = _ANNOUNCE.run(tx.connection, now=tx.now, silent_since=tx.now - older_than_ms).all()
    paused_until = tx.connection.execute(select(pace.c.paused_until)).scalar_one() if rows else 0
    found = []
    for row in rows:
        own = requests.c.command_id == row.command_id
        first = select(func.min(requests.c.turn)).where(own, requests.c.state == "open").scalar_subquery()
        count = select(func.count()).select_from(requests)
        found.append(
            Announcement(
                response_url=row.response_url,
                labels=tx.connection.execute(count.where(own)).scalar_one(),
                open_count=row.open_count,
                ahead=tx.connection.execute(
                    count.where(~own, requests.c.state == "open", requests.c.turn < first)
                ).scalar_one(),
                pause_s=max(0, paused_until - tx.now) / 1000,
            )
        )
    return found


def under_way(connection: Connection, *, channel_id: str | None, user_id: str | None, count: int) -> list[str]:
    """Return labels that have no outcome yet, newest first, of a channel or of a user."""
    whose = commands.c.user_id == user_id if user_id is not None else commands.c.channel_id == channel_id
    asked = (
        select(requests.c.label)
        .join(commands, commands.c.command_id == requests.c.command_id)
        .where(requests.c.state != "done", requests.c.outcome.is_distinct_from(CHECKED), whose)
        # It follows from the first condition, and an index of `bot/migrations` has it.
        .where(commands.c.open_count > literal_column("0"))
        .order_by(requests.c.admitted_at.desc(), requests.c.place.desc())
        .limit(count)
    )
    return list(connection.execute(asked).scalars())


def backlog(connection: Connection) -> Backlog:
    """Return how much there is left to do."""
    unfinished = requests.c.state != "done"
    row = connection.execute(
        select(
            select(func.count()).select_from(requests).where(unfinished).scalar_subquery().label("open"),
            select(func.min(requests.c.admitted_at)).where(unfinished).scalar_subquery().label("oldest"),
            select(func.count())
            .select_from(commands)
            .where(commands.c.source != "cli")
            .scalar_subquery()
            .label("replies"),
            # Of the channel that was told last: whoever has set AUDIT_CHANNEL to another one has left the first behind.
            select(func.min(select(head.c.seq).scalar_subquery() - channels.c.seq)).scalar_subquery().label("behind"),
            select(head.c.seq).scalar_subquery().label("head"),
        )
    ).one()
    return Backlog(
        open_requests=row.open, oldest=row.oldest, replies=row.replies, behind=row.behind or 0, head=row.head
    )
