"""The Web API of the sandbox's Slack, called with slack_sdk and by hand."""

import json
from typing import Any

import pytest
import requests
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.sandbox import faults
from bot.sandbox.slack import AUDIT, OBSERVING, USER, SandboxSlack

HEAD = {"event_type": "actcode_head", "event_payload": {"seq": 7}}
BLOCK = {"type": "section", "text": {"type": "mrkdwn", "text": "*x*"}}


def error_of(web: WebClient, method: str, **arguments: Any) -> str:
    """Return Slack's word for what is wrong with a call."""
    with pytest.raises(SlackApiError) as caught:
        web.api_call(method, json=arguments)
    return str(caught.value.response["error"])


def test_the_token_says_who_one_is(slack: SandboxSlack, web: WebClient) -> None:
    """auth.test tells the team and the bot, and a header the scopes."""
    answer = web.auth_test()
    assert (answer["team_id"], answer["user_id"]) == (slack.team_id, slack.bot_user_id)
    assert set(answer.headers["x-oauth-scopes"].split(",")) == slack.scopes
    assert (slack.calls[0].method, slack.calls[0].status, slack.calls[0].error) == ("auth.test", 200, None)


@pytest.mark.parametrize(("token", "error"), [("xoxb-wrong", "invalid_auth"), ("", "not_authed")])
def test_a_wrong_token_is_refused(slack: SandboxSlack, token: str, error: str) -> None:
    """Nothing happens, and no scopes are told."""
    answer = requests.post(
        f"{slack.api_url}chat.postMessage",
        json={"channel": AUDIT, "text": "x"},
        headers={"Authorization": f"Bearer {token}"},
        timeout=5,
    )
    assert answer.json() == {"ok": False, "error": error}
    assert "x-oauth-scopes" not in answer.headers
    assert slack.posts == []


def test_each_token_is_for_its_own_methods(slack: SandboxSlack, web: WebClient) -> None:
    """The app's token opens connections, and the bot's does all the rest."""
    assert error_of(web, "apps.connections.open") == "not_allowed_token_type"
    assert error_of(WebClient(token=slack.app_token, base_url=slack.api_url), "auth.test") == "not_allowed_token_type"
    assert web.apps_connections_open(app_token=slack.app_token)["url"].startswith("ws://127.0.0.1:")


def test_a_missing_scope_is_named(slack: SandboxSlack, web: WebClient) -> None:
    """With those that would do, and those that the token has."""
    slack.scopes = {"commands"}
    with pytest.raises(SlackApiError) as caught:
        web.chat_postMessage(channel=AUDIT, text="x")
    answer = caught.value.response
    assert (answer["error"], answer["needed"], answer["provided"]) == ("missing_scope", "chat:write", "commands")


def test_what_slack_does_not_have_is_refused(slack: SandboxSlack, web: WebClient) -> None:
    """Unknown methods by Slack's word, other pages by 404."""
    assert error_of(web, "chat.postmessage") == "unknown_method"
    assert requests.get(slack.api_url.removesuffix("api/"), timeout=5).status_code == 404
    assert web.api_test()["ok"]


@pytest.mark.parametrize("form", [False, True], ids=["JSON", "form"])
def test_a_message_is_posted(slack: SandboxSlack, web: WebClient, *, form: bool) -> None:
    """With its text, blocks and metadata, however the arguments come."""
    arguments: dict[str, Any] = {"channel": AUDIT, "text": "x", "blocks": [BLOCK], "metadata": HEAD}
    if form:
        fields = {name: value if isinstance(value, str) else json.dumps(value) for name, value in arguments.items()}
        fields["token"] = slack.bot_token
        assert requests.post(f"{slack.api_url}chat.postMessage", data=fields, timeout=5).json()["ok"]
    else:
        answer = web.chat_postMessage(**arguments)
        assert answer["ts"] == slack.posts[0].ts
    (post,) = slack.posts
    assert (post.channel, post.text, post.blocks, post.metadata) == (AUDIT, "x", [BLOCK], HEAD)
    assert (post.via, post.user, post.shown) == ("chat.postMessage", None, "*x*")
    assert slack.calls[0].params == arguments


def test_a_message_to_a_user_is_a_direct_message(slack: SandboxSlack, web: WebClient) -> None:
    """A user's ID opens the conversation, and so does conversations.open; it is the same one."""
    posted = web.chat_postMessage(channel=USER, text="x")
    opened = web.conversations_open(users=USER)["channel"]["id"]
    assert posted["channel"] == opened
    assert web.chat_postMessage(channel=opened, text="y")["ok"]
    assert [(one.user, one.channel, one.text) for one in slack.dms] == [(USER, opened, "x"), (USER, opened, "y")]
    assert slack.posts == []


def test_who_does_not_exist_gets_nothing(slack: SandboxSlack, web: WebClient) -> None:
    """Neither a channel nor a user that nobody knows."""
    slack.users = {USER}
    assert error_of(web, "chat.postMessage", channel="U0NOBODY", text="x") == "channel_not_found"
    assert error_of(web, "chat.postMessage", channel="C0NOWHERE", text="x") == "channel_not_found"
    assert error_of(web, "chat.postMessage", text="x") == "channel_not_found"
    assert error_of(web, "conversations.open", users="U0NOBODY") == "user_not_found"
    assert error_of(web, "conversations.open") == "users_list_not_supplied"
    assert slack.dms == []


def test_a_channel_must_take_the_post(slack: SandboxSlack, web: WebClient) -> None:
    """Not archived, and the bot is in it; what private channels there are, others are not told."""
    slack.add_channel("C0PRIVATE", "secret", is_private=True, is_member=False)
    slack.add_channel("C0OTHER", "other", is_member=False)
    slack.channels[AUDIT].is_archived = True
    for method in ("chat.postMessage", "chat.postEphemeral"):
        arguments = {"text": "x", "user": USER}
        assert error_of(web, method, channel=AUDIT, **arguments) == "is_archived"
        assert error_of(web, method, channel="C0OTHER", **arguments) == "not_in_channel"
        assert error_of(web, method, channel="C0PRIVATE", **arguments) == "channel_not_found"
    slack.scopes.add("chat:write.public")
    assert web.chat_postMessage(channel="C0OTHER", text="x")["ok"]


def test_what_slack_does_not_take_is_refused(slack: SandboxSlack, web: WebClient) -> None:
    """By its own word, with the place in the blocks."""
    assert error_of(web, "chat.postMessage", channel=AUDIT) == "no_text"
    assert error_of(web, "chat.postMessage", channel=AUDIT, text="x" * 40_001) == "msg_too_long"
    with pytest.raises(SlackApiError) as caught:
        web.chat_postMessage(channel=AUDIT, text="x", blocks=[{"type": "secton"}])
    assert caught.value.response["error"] == "invalid_blocks"
    assert "blocks[0]" in caught.value.response["response_metadata"]["messages"][0]
    assert slack.calls[-1].error == "invalid_blocks"
    assert "unknown type" in slack.calls[-1].why
    fields = {"token": slack.bot_token, "channel": AUDIT, "blocks": "[{"}
    refused = requests.post(f"{slack.api_url}chat.postMessage", data=fields, timeout=5)
    assert refused.json()["error"] == "invalid_blocks_format"
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {slack.bot_token}"}
    refused = requests.post(f"{slack.api_url}chat.postMessage", data=b"{", headers=headers, timeout=5)
    assert refused.json()["error"] == "channel_not_found"
    assert slack.posts == []


def test_an_ephemeral_is_for_one_person(slack: SandboxSlack, web: WebClient) -> None:
    """Who must be in the channel."""
    slack.channels[AUDIT].members = {"U0OTHER"}
    assert error_of(web, "chat.postEphemeral", channel=AUDIT, user=USER, text="x") == "user_not_in_channel"
    assert error_of(web, "chat.postEphemeral", channel=AUDIT, text="x") == "user_not_in_channel"
    assert error_of(web, "chat.postEphemeral", channel="C0NOWHERE", user=USER, text="x") == "channel_not_found"
    assert web.chat_postEphemeral(channel=OBSERVING, user=USER, text="x", blocks=[BLOCK])["message_ts"]
    (one,) = slack.ephemerals
    assert (one.via, one.channel, one.user, one.text, one.shown) == (
        "chat.postEphemeral",
        OBSERVING,
        USER,
        "x",
        "*x*",
    )
    assert slack.posts == []


def test_a_channel_takes_about_one_post_a_second() -> None:
    """A few at once, and then a 429 that says when; other channels are not concerned."""
    with SandboxSlack(post_rate_per_s=1.0, post_burst=2) as slack:
        web = WebClient(token=slack.bot_token, base_url=slack.api_url, retry_handlers=[])
        for text in ("one", "two"):
            web.chat_postMessage(channel=AUDIT, text=text)
        with pytest.raises(SlackApiError) as caught:
            web.chat_postMessage(channel=AUDIT, text="three")
        answer = caught.value.response
        assert (answer.status_code, answer["error"], answer.headers["Retry-After"]) == (429, "ratelimited", "1")
        web.chat_postMessage(channel=OBSERVING, text="three")
        assert [one.text for one in slack.posts] == ["one", "two", "three"]
        assert slack.calls[2].status == 429


def test_a_history_is_newest_first_and_in_pages(slack: SandboxSlack, web: WebClient) -> None:
    """A page after the other, with the metadata only for who asks for it."""
    stamps = [
        web.chat_postMessage(channel=AUDIT, text=str(number), metadata=HEAD | {"event_payload": {"seq": number}})["ts"]
        for number in range(5)
    ]
    assert stamps == sorted(set(stamps))
    pages = web.conversations_history(channel=AUDIT, limit=2, include_all_metadata=True)
    texts = []
    for page in pages:
        # What comes in between does not move the pages.
        slack.post({"channel": AUDIT, "text": "later"})
        texts.append([(one["text"], one["metadata"]["event_payload"]["seq"]) for one in page["messages"]])
    assert texts == [[("4", 4), ("3", 3)], [("2", 2), ("1", 1)], [("0", 0)]]
    plain = web.conversations_history(channel=AUDIT, oldest=stamps[1], latest=stamps[3])["messages"]
    assert [one["ts"] for one in plain] == [stamps[2]]
    assert "metadata" not in plain[0]
    whole = web.conversations_history(channel=AUDIT, oldest=stamps[1], latest=stamps[3], inclusive=True)["messages"]
    assert [one["ts"] for one in whole] == stamps[3:0:-1]
    assert whole[0]["bot_id"] == slack.bot_id


def test_channels_are_described_and_joined(slack: SandboxSlack, web: WebClient) -> None:
    """A public one can be joined; a private one is not even known to who is outside."""
    slack.add_channel("C0PUBLIC", "public", is_member=False)
    slack.add_channel("C0PRIVATE", "private", is_private=True, is_member=False)
    info = web.conversations_info(channel="C0PUBLIC")["channel"]
    assert (info["name"], info["is_private"], info["is_member"]) == ("public", False, False)
    assert error_of(web, "conversations.history", channel="C0PUBLIC") == "not_in_channel"
    assert web.conversations_join(channel="C0PUBLIC")["channel"]["is_member"]
    assert slack.channels["C0PUBLIC"].is_member
    for method in ("conversations.info", "conversations.join", "conversations.history"):
        assert error_of(web, method, channel="C0PRIVATE") == "channel_not_found"
    slack.channels["C0PRIVATE"].is_member = True
    assert error_of(web, "conversations.join", channel="C0PRIVATE") == "method_not_supported_for_channel_type"
    slack.channels[AUDIT].is_archived = True
    assert error_of(web, "conversations.join", channel=AUDIT) == "is_archived"
    assert web.conversations_info(channel=AUDIT)["channel"]["is_archived"]


MODAL: dict[str, Any] = {"type": "modal", "title": {"type": "plain_text", "text": "x"}, "blocks": [BLOCK]}


def test_a_trigger_opens_one_view(slack: SandboxSlack, web: WebClient) -> None:
    """Once, within three seconds; a view that is refused does not use it up."""
    delivery = slack.shortcut("form")
    trigger_id = str(delivery.trigger_id)
    assert error_of(web, "views.open", trigger_id=trigger_id, view={"type": "modal"}) == "invalid_arguments"
    answer = web.views_open(trigger_id=trigger_id, view=MODAL)
    assert slack.views[0].id == answer["view"]["id"]
    assert (slack.views[0].user, slack.views[0].view) == (USER, MODAL)
    assert error_of(web, "views.open", trigger_id=trigger_id, view=MODAL) == "exchanged_trigger_id"
    late = slack.shortcut("form")
    slack.expire(late)
    assert error_of(web, "views.open", trigger_id=late.trigger_id, view=MODAL) == "expired_trigger_id"
    assert error_of(web, "views.open", trigger_id="1.2.3", view=MODAL) == "invalid_trigger_id"
    other = {"type": "home", "blocks": [{"type": "divider"}]}
    assert error_of(web, "views.open", trigger_id=slack.trigger(USER), view=other) == "invalid_arguments"


def test_a_home_is_published(slack: SandboxSlack, web: WebClient) -> None:
    """The last one counts."""
    for text in ("first", "second"):
        block = {"type": "section", "text": {"type": "plain_text", "text": text}}
        web.views_publish(user_id=USER, view={"type": "home", "blocks": [block]})
    assert slack.homes[USER].view["blocks"][0]["text"]["text"] == "second"
    assert slack.homes[USER].shown == "second"
    assert error_of(web, "views.publish", user_id=USER, view=MODAL) == "invalid_arguments"
    assert error_of(web, "views.publish", user_id="C1", view=MODAL) == "user_not_found"


def test_calls_meet_their_faults_in_turn(slack: SandboxSlack, web: WebClient) -> None:
    """Those of the method first, then those of any; afterwards everything is normal."""
    slack.fail("chat.postMessage", faults.api_error("fatal_error"), faults.rate_limited(30))
    slack.always(None, faults.api_error("internal_error", 500))
    assert error_of(web, "chat.postMessage", channel=AUDIT, text="x") == "fatal_error"
    with pytest.raises(SlackApiError) as caught:
        web.chat_postMessage(channel=AUDIT, text="x")
    assert (caught.value.response.status_code, caught.value.response.headers["Retry-After"]) == (429, "30")
    assert error_of(web, "auth.test") == "internal_error"
    slack.clear()
    assert web.chat_postMessage(channel=AUDIT, text="x")["ok"]
    assert [one.status for one in slack.calls] == [200, 429, 500, 200]


def test_a_post_can_be_taken_and_its_answer_lost(slack: SandboxSlack, web: WebClient) -> None:
    """A reset before it was taken leaves nothing, one afterwards leaves the message: its metadata tells."""
    slack.fail("chat.postMessage", faults.reset_before(), faults.reset_after())
    for text in ("before", "after"):
        with pytest.raises(OSError, match="reset"):
            web.chat_postMessage(channel=AUDIT, text=text, metadata=HEAD)
    (message,) = web.conversations_history(channel=AUDIT, include_all_metadata=True)["messages"]
    assert (message["text"], message["metadata"]) == ("after", HEAD)
    assert [one.status for one in slack.calls] == [None, None, 200]


def test_connections_can_be_refused(slack: SandboxSlack, web: WebClient) -> None:
    """Nothing arrives, and afterwards everything is as before, at the same address."""
    slack.refuse()
    with pytest.raises(OSError, match="refused"):
        web.auth_test()
    assert slack.calls == []
    slack.clear()
    assert web.auth_test()["ok"]
