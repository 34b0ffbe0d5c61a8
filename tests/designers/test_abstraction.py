"""The class abstraction: every public field once, in valid Python, grouped by entity."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envreward import registry
from envreward.designers.abstraction import class_abstraction
from envreward.fields import Field, public_fields

FIELDS = {
    "cube_pos": Field("Centre of\n  the cube.", shape=(3,), unit="m", frame="world", names=("x", "y", "z")),
    "x_position": Field("Position along x.", unit="m"),
    "x_velocity": Field("Velocity along x.", unit="m/s"),
    "cube_grasped": Field("Whether it is held.", dtype="bool"),
    "action": Field("Torques.", shape=(2,), role="action"),
    "action_failed": Field("Whether it could not be taken.", dtype="bool"),
    "page_text": Field("What the page says.", dtype="str"),
    "secret": Field("Whether it is done.", dtype="bool", private=True),
}


def attributes(text: str) -> dict[str, list[str]]:
    """Return the names of each class's attributes."""
    return {
        node.name: [item.target.id for item in node.body if isinstance(item, ast.AnnAssign)]  # type: ignore[union-attr]
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef)
    }


def test_fields_of_one_entity_share_a_class() -> None:
    """Names that begin with the same word make a class; axes and the action do not, nor does a word used once."""
    assert attributes(class_abstraction(FIELDS)) == {
        "Environment": ["cube", "x_position", "x_velocity", "action", "action_failed", "page_text"],
        "Cube": ["cube_pos", "cube_grasped"],
    }


def test_attributes_are_typed_and_documented() -> None:
    """An attribute has its field's type and shape, unit, frame, meaning and entries on one line; none is private."""
    text = class_abstraction(FIELDS)
    assert "    cube_pos: Float[N, 3]  # m, world frame. Centre of the cube. Entries: x, y, z.\n" in text
    assert "    cube_grasped: Bool[N]  # Whether it is held." in text
    assert "    page_text: Text[N]  # What the page says." in text
    assert "secret" not in text


def test_class_names_never_clash() -> None:
    """An entity whose class would be called like a type, the environment or a Python keyword gets another name."""
    names = ["none_a", "none_b", "environment_a", "environment_b", "float_a", "float_b"]
    found = attributes(class_abstraction({name: Field("One.") for name in names}))
    assert list(found) == ["Environment", "NoneEntity", "EnvironmentEntity", "FloatEntity"]


@pytest.mark.parametrize("env_id", ["Hopper", "Ant", "MetaWorld-drawer-open", "SWERepair"])
def test_every_public_field_of_a_task_is_there(env_id: str) -> None:
    """For real tasks: each public field once, no private one."""
    fields = registry.make_task(env_id).fields
    found = [name for names in attributes(class_abstraction(fields)).values() for name in names]
    assert all(found.count(name) == (not field.private) for name, field in fields.items())


words = st.sampled_from(["cube", "Cube", "goal", "x", "action", "None", "a", "é", "float", "environment", "pos"])


@given(st.lists(st.lists(words, min_size=1, max_size=3).map("_".join), unique=True, min_size=1))
def test_any_names_give_valid_python(names: list[str]) -> None:
    """Whatever the fields are called, the text parses, and each is an attribute exactly once."""
    fields = {name: Field("One.", private=name == "goal") for name in names if name != "None"}
    text = class_abstraction(fields)
    found = attributes(text)
    assert all(sum(name in own for own in found.values()) == 1 for name in public_fields(fields))
