"""What of a backend's options is secret: variables and files that they name, and what they send."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from lm_eval_so.core.config.yaml_lines import Path_


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSource:
    """A variable or a file that options name."""

    name: str
    """Name of the variable, or path of the file."""
    key: Path_
    """The option that names it, as ("api_key_env",)."""
    is_file: bool = False
    is_needed: bool = True
    """Whether it must hold something."""
    is_secret: bool = True
    """Whether what it holds is taken out of all texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What of a backend's options is secret, or names something secret."""

    sources: tuple[SecretSource, ...] = ()
    """The variables and files that are named."""
    sent: Mapping[Path_, str] = field(default_factory=dict, repr=False)
    """Texts that each request carries besides the conversation, by option, as ("headers", NAME); the
    second part is the name that the endpoint sees."""

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables whose values are secret."""
        return tuple(each.name for each in self.sources if each.is_secret and not each.is_file)

    @property
    def files(self) -> tuple[str, ...]:
        """The files whose contents are secret."""
        return tuple(each.name for each in self.sources if each.is_secret and each.is_file)


def named_sources(options: BaseModel) -> Iterator[SecretSource]:
    """Find the variables and files that options ending in `_env` and `_file` name."""
    given = dict(options)
    for option, value in given.items():
        stem, _, ending = option.rpartition("_")
        if ending not in {"env", "file"} or not stem or not value:
            continue
        if ending == "env" and isinstance(value, str) and given.get(f"{stem}_file"):
            continue  # the file wins
        by_key = value.items() if isinstance(value, Mapping) else [(None, value)]
        for inner, name in by_key:
            if isinstance(name, str | Path):
                key = (option,) if inner is None else (option, str(inner))
                yield SecretSource(name=str(name), key=key, is_file=ending == "file")
