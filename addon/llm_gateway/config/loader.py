"""A configuration file, or the built-in demo, to a `Config`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_gateway.config.cursor import ABSENT, Cursor, Report, itself
from llm_gateway.config.environment import read_environment
from llm_gateway.config.files import read_text
from llm_gateway.config.gateway import gateway
from llm_gateway.config.models import ModelsReader, usability_warning
from llm_gateway.config.nodes import parse
from llm_gateway.config.providers import ECHO, ProvidersReader
from llm_gateway.config.values import (
    Config,
    ConfigError,
    Model,
    Problem,
    Provider,
    ProviderDefaults,
)

DEMO_SOURCE = "built-in demo"
DEMO = f"""
providers:
  echo: {{kind: {ECHO}}}
models:
  - {{name: echo-small, provider: echo, size: SMALL}}
  - {{name: echo-big, provider: echo, size: BIG}}
"""


def load(
    path: Path,
    environ: Mapping[str, str],
    kinds: Mapping[str, ProviderDefaults],
) -> Config:
    """The configuration in the file at `path`.

    `environ` is the process environment; `.env` beside the file, and then `.env` in the working
    directory, add what it lacks. `kinds` are the kinds of providers there are; a provider
    named like a kind is of that kind. Raises `ConfigError` with every problem found.
    """
    # One directory under two names is one.
    dotenvs = {dotenv.absolute(): dotenv for dotenv in (path.parent / ".env", Path(".env"))}
    environment, malformed = read_environment(dotenvs.values(), environ)
    try:
        text = read_text(path, str(path))
    except ConfigError as error:
        raise ConfigError((*error.problems, *malformed)) from None
    report = Report(str(path), environment)
    watched = (path.absolute(), *dotenvs)
    return _config(text, report, malformed, _Document(ProvidersReader(kinds), watched))


def demo(directory: Path, environ: Mapping[str, str]) -> Config:
    """The built-in demo: one provider that needs no key and no network, and its two models.

    `environ` and `.env` in `directory` are read for `AUTH_TOKEN`. Raises `ConfigError` if that is
    not a token or `.env` is malformed.
    """
    dotenv = directory / ".env"
    environment, malformed = read_environment([dotenv], environ)
    report = Report(DEMO_SOURCE, environment)
    document = _Document(
        ProvidersReader({ECHO: ProviderDefaults(None, lists_models=False)}), (dotenv.absolute(),)
    )
    return _config(DEMO, report, malformed, document)


@dataclass(frozen=True, slots=True)
class _Document:
    """Reads the whole document."""

    providers_reader: ProvidersReader
    watched: tuple[Path, ...]

    def __call__(self, cursor: Cursor) -> Config | None:
        """The configuration, or None, with problems noted, if a section cannot be read."""
        sections = cursor.fields(
            {"gateway": gateway, "providers": itself, "models": itself}, required=("providers",)
        )
        front = sections.get("gateway") or gateway(Cursor(ABSENT, "gateway", 0, cursor.report))
        declared, providers = self._providers(sections.get("providers"))
        models = self._models(cursor, sections.get("models"), declared, providers)
        report = cursor.report
        if report.problems or providers is None or models is None:
            return None
        unusable = usability_warning(models, providers)
        warnings = (*report.warnings, *([unusable] if unusable else []))
        return Config(front, providers, models, report.file, self.watched, warnings)

    def _models(
        self,
        cursor: Cursor,
        place: Cursor | None,
        declared: Collection[str],
        providers: Mapping[str, Provider] | None,
    ) -> tuple[Model, ...] | None:
        if place is not None:
            kinds = self.providers_reader.kinds
            draw_nothing = {p.name for p in (providers or {}).values() if not kinds[p.kind].draws}
            return place.attempt(ModelsReader(declared, draw_nothing))
        # One that could not be read may have had a mind to list its own.
        if providers is not None and (
            len(providers) < len(declared) or any(each.discover for each in providers.values())
        ):
            return ()
        cursor.problem("required key 'models' is missing")
        return None

    def _providers(
        self, place: Cursor | None
    ) -> tuple[Collection[str], Mapping[str, Provider] | None]:
        providers = place.attempt(self.providers_reader) if place else None
        if place is None or providers is None:
            return (), None
        return tuple(place.entries()), providers


def _config(
    text: str, report: Report, malformed: Collection[Problem], document: _Document
) -> Config:
    node, problems = parse(text, report.file)
    report.problems.extend(problems)
    config = None if node is None else Cursor(node, "", node.line, report).attempt(document)
    if config is None or malformed:
        report.problems.sort(key=lambda problem: problem.line)
        raise ConfigError((*report.problems, *malformed))
    return config
