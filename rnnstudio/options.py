"""Command-line options made from the configuration classes, so that a setting is described in one place only."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from checkpoints.errors import ConfigError
from engine.config import FLAGS, field_help
from rnnstudio.completion import setting
from rnnstudio.pages import FRONT

WIDEST_METAVAR = 16


def flag(field_name: str) -> str:
    """`hidden_size` → `--hidden`."""
    return "--" + FLAGS.get(field_name, field_name.replace("_", "-"))


def with_settings(
    configs: Mapping[type, str],
    *,
    front: Iterable[str],
    pages: Mapping[str, Iterable[str]] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one option per field of the configuration classes.

    The command receives them as `settings`: only those that the user gave, by field name. A class's options stand on
    the page of the help that `configs` names for it, but for the fields that `pages` puts on another; those in `front`
    stand on the front page too.
    """
    elsewhere = {name: page for page, names in (pages or {}).items() for name in names}
    front = frozenset(front)

    def on(name: str, page: str) -> str:
        return (f"{FRONT} " if name in front else "") + elsewhere.get(name, page)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.name != "settings"]
        made = [
            _parameter(config, f, on(f.name, page))
            for config, page in configs.items()
            for f in dataclasses.fields(config)
        ]
        names = {p.name for p in made}

        def wrapper(**values: Any) -> None:
            given = {k: v for k, v in values.items() if k in names and v is not None}
            if "temperatures" in given:
                given["temperatures"] = _numbers("temperatures", given["temperatures"])
            rest = {k: v for k, v in values.items() if k not in names}
            command(**rest, settings=given)

        wrapper.__name__, wrapper.__doc__ = command.__name__, command.__doc__
        parameters = own + made
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
        return wrapper

    return decorate


def _parameter(config: type, f: dataclasses.Field[Any], pages: str) -> inspect.Parameter:
    hint = get_type_hints(config)[f.name]
    kind = str if get_origin(hint) in (Literal, tuple) else hint
    names = flag(f.name)
    if kind is bool:
        names = f"{names}/--no-{names[2:]}"
    default = ",".join(map(str, f.default)) if isinstance(f.default, tuple) else f.default
    text = field_help(config)[f.name].removesuffix(".")
    option = typer.Option(
        names,
        help=f"{text} [{default}]" if default not in ("", False, 0) else text,
        show_default=False,
        rich_help_panel=pages,
        metavar=_metavar(hint, default),
        autocompletion=setting(f.name, get_args(hint) if get_origin(hint) is Literal else ()),
    )
    return inspect.Parameter(
        f.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )


def _metavar(hint: Any, default: Any) -> str | None:
    """What stands for the value in the help: short, so that most options take one line."""
    if get_origin(hint) is Literal and len(choices := "|".join(get_args(hint))) <= WIDEST_METAVAR:
        return choices
    if hint is bool:
        return None
    if hint in (int, float):
        return "N" if hint is int else "X"
    if get_origin(hint) is tuple:
        return "X,X,…"
    return "NAME" if default else "TEXT"


def _numbers(name: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise ConfigError(
            f"{name} are {text!r}, which are not numbers", hint="write them like 0.5,0.8,1.0"
        ) from None
