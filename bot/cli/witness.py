"""`audit verify --slack`: reads the audit channel back, and says what does not fit the trail."""

from http.client import HTTPException

from slack_sdk.errors import SlackApiError

from bot import anchors, wiring
from bot.config import ConfigurationError, Settings
from bot.remedies import WHAT_TO_DO
from bot.slack import witness
from bot.slack.faults import describe
from bot.store.database import Database

MOST_FAULTS = 10
"""After a restore every later post contradicts the trail: the first ones say enough."""


def run(settings: Settings, database: Database) -> int:
    """Hold the audit channel against the trail; returns the exit code.

    Raises:
        ConfigurationError: the channel or the token is not set.
    """
    missing = [
        f"{name} is not set: the channel cannot be read without it."
        for name, value in (("SLACK_BOT_TOKEN", settings.slack_bot_token), ("AUDIT_CHANNEL", settings.audit_channel))
        if value is None
    ]
    channel_id = settings.audit_channel
    if missing or channel_id is None:
        raise ConfigurationError(missing)
    client = wiring.slack_client(settings)
    try:
        posted = witness.read_back(client, channel_id)
    except (SlackApiError, OSError, HTTPException) as fault:
        what = describe(fault)
        print(f"The audit channel could not be read ({what}): {WHAT_TO_DO.get(what, 'try again later')}.")
        return 1
    faults = database.read(lambda connection: anchors.compare(connection, posted, channel_id), within_s=None)
    for one in faults[:MOST_FAULTS]:
        print(f"The audit channel does not fit the trail. {one[0].upper()}{one[1:]}.")
    if len(faults) > MOST_FAULTS:
        print(f"And {len(faults) - MOST_FAULTS} more like these.")
    if not faults:
        print(f"The audit channel fits the trail: {len(posted)} posts.")
    return 1 if faults else 0
