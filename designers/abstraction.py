"""Abstraction: an environment described as Python classes with typed attributes (Text2Reward's expert abstraction).

Text2Reward (arXiv:2309.11489, section 2.2) describes an environment to the model as a hierarchy of Python classes
that an expert wrote: the robot, its parts, the objects, each with typed, commented attributes. Here the classes are
made from the fields that the task declares, so every task has them: fields whose names begin with the same word are
attributes of one entity. What a program may name stays the same, so an attribute keeps its field's whole name.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Mapping

from envreward.fields import DType, Field, public_fields

_ROOT = "Environment"
_TYPES: Mapping[DType, str] = {"float32": "Float", "bool": "Bool", "int64": "Int", "str": "Text"}
_AXES = {"x", "y", "z"}  # x_position and x_velocity have no entity in common


def class_abstraction(fields: Mapping[str, Field]) -> str:
    """Return the public fields as Python classes: the environment, then its entities in order of declaration.

    An entity is the first word of two or more fields' names (``cube`` of ``cube_pos`` and ``cube_vel``); other fields
    are attributes of the environment itself. The text is valid Python.

    Args:
        fields: By name; private ones are left out.
    """
    public = public_fields(fields)
    members: dict[str, list[str]] = {}
    for name in public:
        members.setdefault(_entity(name), []).append(name)
    entities = {e: names for e, names in members.items() if e and len(names) > 1}
    classes = _class_names(entities)
    own = [name for name in public if _entity(name) not in entities]
    lines = [f"class {_ROOT}:"]
    lines += [f"    {entity}: {classes[entity]}" for entity in entities if entity not in public]
    lines += [_attribute(name, public[name]) for name in own]
    lines += [] if public else ["    pass"]
    for entity, names in entities.items():
        lines += ["", f"class {classes[entity]}:", *(_attribute(name, public[name]) for name in names)]
    return "\n".join(lines)


def _entity(name: str) -> str:
    """Return the first word of a field's name, empty where it names no entity."""
    first, underscore, _ = name.partition("_")
    if not underscore or first in _AXES or first == "action" or not first.isidentifier() or keyword.iskeyword(first):
        return ""
    return first


def _class_names(entities: Iterable[str]) -> dict[str, str]:
    """Return a name for each entity's class, no two alike and none taken."""
    names: dict[str, str] = {}
    for entity in entities:
        name = entity[0].upper() + entity[1:]
        while keyword.iskeyword(name) or name == _ROOT or name in (*_TYPES.values(), *names.values()):
            name += "Entity"
        names[entity] = name
    return names


def _attribute(name: str, field: Field) -> str:
    """Return an attribute's line: ``cube_pos: Float[N, 3]  # m, world frame. Centre of the cube.``"""
    dims = ", ".join(["N", *map(str, field.shape)])
    measure = ", ".join(
        filter(None, (field.unit if field.unit != "1" else "", f"{field.frame} frame" if field.frame else ""))
    )
    entries = f"Entries: {', '.join(field.names)}." if field.names else ""
    remark = " ".join(filter(None, (f"{measure}." if measure else "", *field.doc.split(), entries)))
    return f"    {name}: {_TYPES[field.dtype]}[{dims}]  # {remark}"
