"""What stands inside Slack's blocks: the parts of rich text, images, buttons, selects and inputs.

Source: the pages on rich text, and on block elements, in Slack's Block Kit reference.
"""

from bot.sandbox.rules import (
    Check,
    Object,
    bad,
    check_elements,
    check_integer,
    check_keys,
    check_list,
    check_object,
    check_one_of,
    check_string,
    check_text,
)


def _image(part: Object, where: str) -> None:
    check_string(part.get("image_url"), f"{where}.image_url", most=3000)
    check_string(part.get("alt_text"), f"{where}.alt_text", most=2000)


def _rich_section(part: Object, where: str) -> None:
    check_elements(part.get("elements"), INLINE, f"{where}.elements", least=0)


def _rich_list(part: Object, where: str) -> None:
    check_one_of(part.get("style"), "bullet ordered", f"{where}.style")
    check_elements(part.get("elements"), {"rich_text_section": RICH["rich_text_section"]}, f"{where}.elements")


def _inline_text(part: Object, where: str) -> None:
    check_string(part.get("text"), f"{where}.text")
    _style(part, where)


def _link(part: Object, where: str) -> None:
    check_string(part.get("url"), f"{where}.url")
    if "text" in part:
        check_string(part["text"], f"{where}.text")
    _style(part, where)


def _named(name: str) -> Check:
    def check(part: Object, where: str) -> None:
        check_string(part.get(name), f"{where}.{name}")
        _style(part, where)

    return check


def _date(part: Object, where: str) -> None:
    check_integer(part.get("timestamp"), f"{where}.timestamp")
    check_string(part.get("format"), f"{where}.format")
    _style(part, where)


def _broadcast(part: Object, where: str) -> None:
    check_one_of(part.get("range"), "here channel everyone", f"{where}.range")


_STYLES = {"bold", "italic", "strike", "code", "underline", "highlight", "client_highlight", "unlink"}


def _style(part: Object, where: str) -> None:
    style = check_object(part.get("style", {}), f"{where}.style")
    check_keys(style, _STYLES, f"{where}.style")
    if any(not isinstance(value, bool) for value in style.values()):
        raise bad(f"{where}.style", "something else than true or false")


def _button(part: Object, where: str) -> None:
    check_text(part.get("text"), f"{where}.text", most=75, only="plain_text")
    _named_and_hinted(part, where)
    for name, most in (("url", 3000), ("value", 2000), ("accessibility_label", 75)):
        if name in part:
            check_string(part[name], f"{where}.{name}", most=most)
    if "style" in part:
        check_one_of(part["style"], "primary danger", f"{where}.style")


def _named_and_hinted(part: Object, where: str) -> None:
    if "action_id" in part:
        check_string(part["action_id"], f"{where}.action_id", most=255)
    if "placeholder" in part:
        check_text(part["placeholder"], f"{where}.placeholder", most=150, only="plain_text")


def _choice(most: int) -> Check:
    def check(part: Object, where: str) -> None:
        _named_and_hinted(part, where)
        for number, one in enumerate(check_list(part.get("options"), f"{where}.options", most=most)):
            place = f"{where}.options[{number}]"
            option = check_object(one, place)
            check_keys(option, {"text", "value", "description", "url"}, place)
            check_text(option.get("text"), f"{place}.text", most=75)
            check_string(option.get("value"), f"{place}.value", most=150)

    return check


def _plain_input(part: Object, where: str) -> None:
    _named_and_hinted(part, where)
    if "initial_value" in part:
        check_string(part["initial_value"], f"{where}.initial_value", most=3000, least=0)
    for name in ("min_length", "max_length"):
        if name in part:
            check_integer(part[name], f"{where}.{name}")
            if not 0 <= part[name] <= 3000:
                raise bad(f"{where}.{name}", "not from 0 to 3000")
    if len(part.get("initial_value", "")) > part.get("max_length", 3000):
        raise bad(f"{where}.initial_value", "longer than max_length")


IMAGES: dict[str, tuple[Check, str]] = {"image": (_image, "image_url alt_text")}
_SELECT = "action_id placeholder options initial_option confirm focus_on_load"
_CHOICES = "action_id options initial_options confirm focus_on_load"
_SELECTS: dict[str, tuple[Check, str]] = {
    "static_select": (_choice(100), _SELECT),
    "radio_buttons": (_choice(10), "action_id options initial_option confirm focus_on_load"),
    "checkboxes": (_choice(10), _CHOICES),
    "conversations_select": (
        _named_and_hinted,
        "action_id placeholder initial_conversation default_to_current_conversation confirm filter "
        "response_url_enabled focus_on_load",
    ),
}
INTERACTIVE: dict[str, tuple[Check, str]] = {
    "button": (_button, "text action_id url value style confirm accessibility_label"),
    "overflow": (_choice(5), "action_id options confirm"),
    **_SELECTS,
}
INPUTS: dict[str, tuple[Check, str]] = {
    "plain_text_input": (
        _plain_input,
        "action_id initial_value multiline min_length max_length dispatch_action_config focus_on_load placeholder",
    ),
    **_SELECTS,
}
INLINE: dict[str, tuple[Check, str]] = {
    "text": (_inline_text, "text style"),
    "link": (_link, "url text unsafe style"),
    "emoji": (_named("name"), "name unicode style"),
    "user": (_named("user_id"), "user_id style"),
    "usergroup": (_named("usergroup_id"), "usergroup_id style"),
    "channel": (_named("channel_id"), "channel_id style"),
    "color": (_named("value"), "value"),
    "date": (_date, "timestamp format url fallback style"),
    "broadcast": (_broadcast, "range"),
}
RICH: dict[str, tuple[Check, str]] = {
    "rich_text_section": (_rich_section, "elements"),
    "rich_text_list": (_rich_list, "elements style indent offset border"),
    "rich_text_preformatted": (_rich_section, "elements border language"),
    "rich_text_quote": (_rich_section, "elements border"),
}
