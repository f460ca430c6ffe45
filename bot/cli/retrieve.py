"""`retrieve`: the same request as in Slack, with the same rules and the same trail, from a terminal."""

import json
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any

from rich.progress import Progress

from bot import labels, logs, trail, wiring, wording
from bot.cli.terminal import console, rich_text
from bot.config import Settings
from bot.decisions import Admission, Delivery, Item
from bot.findings import note
from bot.labels import Parsed
from bot.outcomes import Outcome
from bot.slack import messages
from bot.store import ending, outbox
from bot.store.errors import DatabaseUnavailable
from bot.store.outbox import Ended
from bot.trail import Asker
from bot.wiring import Terminal
from bot.wording import Strong, Verbatim

LOOK_S = 0.25
ASKER = Asker(source="cli")
_UNFINISHED = "recorded and may have been sent: see audit list before you ask again"


def run(settings: Settings, typed: Sequence[str], *, as_json: bool) -> int:
    """Ask for the codes of what was typed; returns the exit code."""
    parsed = labels.parse_all("\n".join(typed))
    with wiring.database_of(settings) as database:
        terminal = wiring.terminal(settings, database)
        admission = terminal.retrieval.admit(ASKER, parsed, Delivery(key=trail.new_id()))
        if admission.command_id:
            ended = _whatever_is_known(settings, terminal, admission)
        else:
            ended = tuple(one.as_denied() for one in admission.items)
        # Asked here, too: what was refused is shown in the audit channel like everything else.
        if admission.command_id is None:
            terminal.worker.stop(grace_s=settings.grace_s)
    if as_json:
        print(json.dumps(_array(parsed, admission, ended), ensure_ascii=False, indent=2))
    else:
        lines = (
            messages.fault_lines(parsed, command="actcode retrieve") if admission.invalid else _lines(admission, ended)
        )
        shown = console()
        for line in lines:
            shown.print(rich_text(line))
    if admission.invalid:
        return 2
    accepted = sum(one.outcome == Outcome.ACCEPTED for one in ended)
    return 0 if accepted and accepted == len(admission.items) else 1


def _whatever_is_known(settings: Settings, terminal: Terminal, admission: Admission) -> tuple[Ended, ...]:
    """Return the outcomes; none where the database failed after the requests were recorded."""
    try:
        return _finished(settings, terminal, admission)
    except DatabaseUnavailable as fault:
        print(f"DATABASE_URL: the database does not answer ({logs.redact(str(fault))}).", file=sys.stderr)
        return ()


def _finished(settings: Settings, terminal: Terminal, admission: Admission) -> tuple[Ended, ...]:
    """Wait until every request of the command has its outcome. Ctrl-C withdraws what was not sent yet."""
    command_id = admission.command_id or ""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    shown, gave_up = console(), False
    several = len(admission.items) > 1 and sys.stderr.isatty()
    with Progress(console=type(shown)(stderr=True), disable=not several, transient=True) as progress:
        bar = progress.add_task("Asking the MPC", total=len(admission.items))
        terminal.worker.start()
        try:
            while (count := _count(terminal, command_id)) < len(admission.items):
                progress.update(bar, completed=count)
                terminal.worker.wait(LOOK_S)
        except KeyboardInterrupt:
            gave_up = True
            terminal.retrieval.withdraw(command_id)
        finally:
            terminal.worker.stop(grace_s=settings.grace_s)
    if gave_up:
        _wind_up(settings, terminal, admission)
    ended = terminal.database.read(lambda connection: outbox.ended(connection, command_id))
    if len(ended) == len(admission.items):
        terminal.database.write(lambda tx: ending.drop(tx, command_id))
    return ended


def _wind_up(settings: Settings, terminal: Terminal, admission: Admission) -> None:
    """See to it that every request ends: what was queued again, what had no time to finish, what others are sending."""
    end = time.monotonic() + settings.grace_s
    command_id = admission.command_id or ""
    while True:
        terminal.retrieval.withdraw(command_id)
        terminal.retrieval.rescue()
        if _count(terminal, command_id) == len(admission.items) or time.monotonic() > end:
            return
        time.sleep(LOOK_S)


def _count(terminal: Terminal, command_id: str) -> int:
    return terminal.database.read(lambda connection: len(outbox.ended(connection, command_id)))


def _lines(admission: Admission, ended: tuple[Ended, ...]) -> list[wording.Text]:
    if admission.denial is None:
        unknown = _unfinished(admission, ended)
        said = (Strong("Not known yet. "), f"It is {_UNFINISHED}.")
        return messages.outcome_lines(ended) + [(Verbatim(one.label), ": ", *said) for one in unknown]
    if ended:
        return messages.outcome_lines(ended)
    sentence, advice = wording.denial(admission.denial.rule, until=admission.denial.until, limit=admission.denial.limit)
    return [sentence, advice]


def _unfinished(admission: Admission, ended: Sequence[Ended]) -> list[Item]:
    known = {one.request_id for one in ended}
    return [one for one in admission.items if one.request_id not in known]


def _array(parsed: Parsed, admission: Admission, ended: Sequence[Ended]) -> list[dict[str, Any]]:
    """Return what `--json` prints: an entry a label.

    `outcome` is null for a good label beside an invalid one, and for one of which nothing is known yet.
    """
    array = [
        _entry(one.label, one.kinds, str(one.outcome), note(one.detail, one.finding) or one.rule, one.request_id)
        for one in ended
    ]
    array += [_entry(one.label, one.kinds, None, _UNFINISHED, one.request_id) for one in _unfinished(admission, ended)]
    if admission.invalid:
        beside = "not sent: another label is invalid"
        array += [_entry(one.text, one.kinds, None, beside) for one in parsed.labels]
    elif admission.denial is not None and not admission.items:
        rule = str(admission.denial.rule)
        array += [_entry(one.text, one.kinds, str(Outcome.DENIED), rule) for one in parsed.labels]
    return array + [_entry(one.text or None, (), str(Outcome.INVALID), one.reason) for one in parsed.faults]


def _entry(
    label: str | None, kinds: Sequence[str], outcome: str | None, detail: str | None, request_id: str | None = None
) -> dict[str, Any]:
    return {"label": label, "kinds": list(kinds), "outcome": outcome, "detail": detail, "request_id": request_id}
