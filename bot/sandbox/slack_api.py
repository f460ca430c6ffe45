"""The Web API of the sandbox's Slack, and its `response_url`s.

Sources: a page for each method in Slack's reference (docs.slack.dev/reference/methods), "Web API" (tokens, forms and
JSON), "Pagination", and "Handling user interaction" (`response_url`).
"""

import time
from collections.abc import Callable

from bot.sandbox.allowance import RateLimitedError
from bot.sandbox.arguments import arguments, is_true, posted
from bot.sandbox.faults import Exchange
from bot.sandbox.records import ApiCall, Channel, Object, Post
from bot.sandbox.rules import RefusedError
from bot.sandbox.script import Script
from bot.sandbox.surfaces import Surfaces
from bot.sandbox.wire import Request, Response, Wire

_MOST_PAGE = 999


class SlackApi:
    """Answers what comes over HTTP.

    Args:
        workspace: what it is about.
        script: which calls meet which faults, by the name of the method, "response_url" or None for any.
        connect: returns the URL of a new Socket Mode connection.
    """

    def __init__(self, *, workspace: Surfaces, script: Script, connect: Callable[[Object], str]) -> None:
        self._workspace = workspace
        self._script = script
        self._connect = connect
        # Each method, and the scopes of which it needs one.
        self._methods: dict[str, tuple[Callable[[Object], Object], tuple[str, ...]]] = {
            "api.test": (lambda _: {}, ()),
            "auth.test": (self._auth_test, ()),
            "chat.postMessage": (self._post_message, ("chat:write",)),
            "chat.postEphemeral": (self._post_ephemeral, ("chat:write",)),
            "conversations.open": (self._open, ("im:write",)),
            "conversations.info": (self._info, ("channels:read", "groups:read")),
            "conversations.history": (self._history, ("channels:history", "groups:history", "im:history")),
            "conversations.join": (self._join, ("channels:join",)),
            "views.open": (self._views_open, ()),
            "views.publish": (self._views_publish, ()),
            "apps.connections.open": (self._connections_open, ()),
        }

    def handle(self, request: Request, wire: Wire) -> None:
        """Answer one request."""
        if request.path.startswith("/commands/"):
            self._respond(request, wire)
        elif request.path.startswith("/api/"):
            self._call(request, wire)
        else:
            wire.answer(Response(404))

    def _call(self, request: Request, wire: Wire) -> None:
        method = request.path.removeprefix("/api/")
        params, token = arguments(request)
        call = self._note_call(method, params)

        def take() -> Response:
            headers = {"x-oauth-scopes": ",".join(sorted(self._workspace.scopes))}
            try:
                return Response.of_json(200, {"ok": True, **self._do(method, params, token)}, headers)
            except RateLimitedError as fault:
                call.error = fault.error
                error = {"ok": False, "error": fault.error}
                return Response.of_json(429, error, {"Retry-After": str(fault.retry_after_s)})
            except RefusedError as fault:
                call.error, call.why = fault.error, fault.why
                answer: Object = {"ok": False, "error": fault.error}
                if fault.why:
                    answer["response_metadata"] = {"messages": [f"[ERROR] {fault.why}"]}
                if fault.error == "missing_scope":
                    answer |= {"needed": fault.why, "provided": headers["x-oauth-scopes"]}
                # Where the token is not good, there are no scopes to tell.
                bad_token = fault.error in {"not_authed", "invalid_auth"}
                return Response.of_json(200, answer, {} if bad_token else headers)

        Exchange(wire, take, self._noting(call)).perform(self._script.take(method, None))

    def _do(self, method: str, params: Object, token: str | None) -> Object:
        if method not in self._methods:
            raise RefusedError("unknown_method")
        do, scopes = self._methods[method]
        if not token:
            raise RefusedError("not_authed")
        if token not in {self._workspace.bot_token, self._workspace.app_token}:
            raise RefusedError("invalid_auth")
        if method != "api.test" and (token == self._workspace.app_token) != (method == "apps.connections.open"):
            raise RefusedError("not_allowed_token_type")
        if scopes and self._workspace.scopes.isdisjoint(scopes):
            raise RefusedError("missing_scope", ",".join(scopes))
        return do(params)

    def _respond(self, request: Request, wire: Wire) -> None:
        call = self._note_call("response_url", {})

        def take() -> Response:
            try:
                content = posted(request)
                call.params = content if isinstance(content, dict) else {}
                self._workspace.respond(request.path.rpartition("/")[2], content)
            except RefusedError as fault:
                call.error, call.why = fault.error, fault.why
                gone = fault.error in {"no_such_url", "used_url", "expired_url"}
                return Response.of_json(404 if gone else 400, {"ok": False, "error": fault.error})
            return Response(200, b"ok", {"Content-Type": "text/html"})

        Exchange(wire, take, self._noting(call)).perform(self._script.take("response_url", None))

    def _note_call(self, method: str, params: Object) -> ApiCall:
        call = ApiCall(method=method, params=params, at=time.monotonic())
        with self._workspace.watch.changing():
            self._workspace.calls.append(call)
        return call

    def _noting(self, call: ApiCall) -> Callable[[int], None]:
        def note(status: int) -> None:
            with self._workspace.watch.changing():
                call.status = status

        return note

    def _auth_test(self, _: Object) -> Object:
        space = self._workspace
        return {
            "url": "https://sandbox.slack.com/",
            "team": "Sandbox",
            "user": "actcode",
            "team_id": space.team_id,
            "user_id": space.bot_user_id,
            "bot_id": space.bot_id,
            "is_enterprise_install": False,
        }

    def _post_message(self, params: Object) -> Object:
        post = self._workspace.post(params)
        return {"channel": post.channel, "ts": post.ts, "message": self._message(post, metadata=True)}

    def _post_ephemeral(self, params: Object) -> Object:
        return {"message_ts": self._workspace.post_ephemeral(params)}

    def _open(self, params: Object) -> Object:
        users = str(params.get("users") or "")
        if not users or "," in users:
            raise RefusedError("users_list_not_supplied" if not users else "method_not_supported_for_channel_type")
        return {"channel": {"id": self._workspace.open_dm(users).id}}

    def _info(self, params: Object) -> Object:
        return {"channel": _described(self._visible(params))}

    def _join(self, params: Object) -> Object:
        channel = self._visible(params)
        if channel.is_private:
            raise RefusedError("method_not_supported_for_channel_type")
        if channel.is_archived:
            raise RefusedError("is_archived")
        with self._workspace.watch.changing():
            channel.is_member = True
        return {"channel": _described(channel)}

    def _history(self, params: Object) -> Object:
        channel = self._visible(params)
        if not channel.is_member:
            raise RefusedError("not_in_channel")
        posts = self._workspace.history(channel.id)
        oldest, latest = str(params.get("oldest") or ""), str(params.get("latest") or "")
        inclusive = is_true(params.get("inclusive"))
        posts = [
            one
            for one in posts
            if (not oldest or one.ts > oldest or (inclusive and one.ts == oldest))
            and (not latest or one.ts < latest or (inclusive and one.ts == latest))
        ]
        cursor = str(params.get("cursor") or "")
        if cursor:
            # The cursor names the last message of the page before, so that new ones do not move the pages.
            posts = [one for one in posts if one.ts < cursor]
        limit = max(1, min(int(params.get("limit") or 100), _MOST_PAGE))
        page, rest = posts[:limit], posts[limit:]
        metadata = is_true(params.get("include_all_metadata"))
        return {
            "messages": [self._message(one, metadata=metadata) for one in page],
            "has_more": bool(rest),
            "pin_count": 0,
            "response_metadata": {"next_cursor": page[-1].ts if rest else ""},
        }

    def _views_open(self, params: Object) -> Object:
        opened = self._workspace.open_view(params.get("trigger_id"), params.get("view"))
        return {"view": {"id": opened.id, **opened.view}}

    def _views_publish(self, params: Object) -> Object:
        published = self._workspace.publish_view(params.get("user_id"), params.get("view"))
        return {"view": {"id": published.id, **published.view}}

    def _connections_open(self, params: Object) -> Object:
        return {"url": self._connect(params)}

    def _visible(self, params: Object) -> Channel:
        """Return a channel that the bot may know of: a private one only where it is in."""
        with self._workspace.watch.reading():
            channel = self._workspace.channels.get(str(params.get("channel")))
        if channel is None or (channel.is_private and not channel.is_member):
            raise RefusedError("channel_not_found")
        return channel

    def _message(self, post: Post, *, metadata: bool) -> Object:
        message: Object = {
            "type": "message",
            "subtype": "bot_message",
            "ts": post.ts,
            "text": post.text,
            "blocks": post.blocks,
            "user": self._workspace.bot_user_id,
            "bot_id": self._workspace.bot_id,
            "app_id": self._workspace.app_id,
        }
        if metadata and post.metadata is not None:
            message["metadata"] = post.metadata
        return message


def _described(channel: Channel) -> Object:
    return {
        "id": channel.id,
        "name": channel.name,
        "is_channel": not channel.is_private,
        "is_private": channel.is_private,
        "is_group": channel.is_private and channel.user is None,
        "is_im": channel.user is not None,
        "is_archived": channel.is_archived,
        "is_member": channel.is_member,
        "is_shared": channel.is_ext_shared,
        "is_ext_shared": channel.is_ext_shared,
        "is_read_only": channel.is_read_only,
    }
