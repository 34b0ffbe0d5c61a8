"""Ways to win the games that look like an application: mail and social media."""

from __future__ import annotations

from .actions import Action, Click, Type
from .game import Scene
from .listing import Element
from .oracles_basic import click_text


def _after(scene: Scene, start: Element, cls: str) -> Element:
    """The first element of a class that comes after another one."""
    elements = scene.look.elements
    return next(e for e in elements[elements.index(start) :] if cls in e.classes.split())


def mail(scene: Scene) -> Action:
    """Find the mail, and reply to it, forward it, delete it or mark it."""
    fields = scene.fields
    icon = fields.get("icon") or {"delete": "trash", "star": "star"}.get(fields.get("task", ""))
    if send := [*scene.all(id="send-reply"), *scene.all(id="send-forward")]:
        field = scene.one("field")  # of a reply its text, of a mail to forward its addressee
        wanted = fields.get("to") or fields["message"]
        return Click(send[0].number) if field.value == wanted else Type(field.number, wanted)
    if scene.all(id="close-email"):
        return click_text(scene, "Forward" if "to" in fields else "Reply")
    sender = scene.one(cls="email-sender", text=fields["by"])
    return Click(_after(scene, sender, icon).number if icon else sender.number)


_POST_BUTTONS = {"Reply": "reply", "Retweet": "retweet", "Like": "like", "Share": "share"}


def post_button(scene: Scene) -> Action:
    """Click on the button of the person's post, which may be in the post's menu."""
    user = scene.one(cls="username", text=scene.fields["user"])
    wanted = scene.fields["button"]
    if wanted in _POST_BUTTONS:
        return Click(_after(scene, user, _POST_BUTTONS[wanted]).number)
    text = f"{wanted} {user.text}" if wanted in ("Mute", "Block") else wanted
    if item := scene.all(text=text):
        return Click(item[0].number)
    return Click(_after(scene, user, "more").number)


def post_buttons(scene: Scene) -> Action:
    """Click on a button of as many of the person's posts as is asked for, and submit."""
    cls = _POST_BUTTONS[scene.fields["button"]]
    posts = scene.all(cls="username", text=scene.fields["user"])
    count = int(scene.fields.get("count", len(posts)))
    for post in posts[:count]:
        button = _after(scene, post, cls)
        if "active" not in button.classes.split():
            return Click(button.number)
    return click_text(scene, "Submit", "button")
