"""Command-line options made from the configuration classes, so that a setting is described in one place only."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from checkpoints.errors import ConfigError
from engine.config import FLAGS, field_help


def flag(field_name: str) -> str:
    """`hidden_size` → `--hidden`."""
    return "--" + FLAGS.get(field_name, field_name.replace("_", "-"))


def with_settings(
    configs: Iterable[type], *, shown: frozenset[str]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one option per field of the configuration classes.

    The command receives them as `settings`: only those that the user gave, by field name. Fields that are not `shown`
    work all the same; `--help-all` lists them.
    """
    configs = tuple(configs)

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.name != "settings"]
        made = [
            _parameter(config, f, shown) for config in configs for f in dataclasses.fields(config)
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


def _parameter(config: type, f: dataclasses.Field[Any], shown: frozenset[str]) -> inspect.Parameter:
    kind = get_type_hints(config)[f.name]
    names = flag(f.name)
    if kind is bool:
        names = f"{names}/--no-{names[2:]}"
    if get_origin(kind) in (Literal, tuple):
        kind = str
    default = ",".join(map(str, f.default)) if isinstance(f.default, tuple) else f.default
    text = field_help(config)[f.name]
    choices = get_args(get_type_hints(config)[f.name]) if kind is str else ()
    option = typer.Option(
        names,
        help=f"{text} [{default}]" if default not in ("", False, 0) else text,
        show_default=False,
        hidden=f.name not in shown,
        metavar="|".join(choices) if choices and all(isinstance(c, str) for c in choices) else None,
    )
    return inspect.Parameter(
        f.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )


def _numbers(name: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise ConfigError(
            f"{name} are {text!r}, which are not numbers", hint="write them like 0.5,0.8,1.0"
        ) from None
