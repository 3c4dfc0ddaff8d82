"""A configuration file, or the built-in demo, to a `Config`."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_gateway.config.clients import idle_warnings
from llm_gateway.config.cursor import ABSENT, Cursor, Reader, Report, itself
from llm_gateway.config.environment import read_environment
from llm_gateway.config.files import read_text
from llm_gateway.config.gateway import gateway
from llm_gateway.config.legacy import translated
from llm_gateway.config.models import ModelsReader, resume_warnings, usability_warning
from llm_gateway.config.nodes import parse
from llm_gateway.config.permissions import complaints
from llm_gateway.config.policies import DEFAULTS, Policies, breaker, nearest, throttle
from llm_gateway.config.providers import ECHO, ProvidersReader
from llm_gateway.config.retry_variables import retry_with_variables
from llm_gateway.config.routing import RoutingReader, names
from llm_gateway.config.values import (
    Config,
    ConfigError,
    Model,
    Problem,
    Provider,
    ProviderDefaults,
    Routing,
)

_DOTENV = ".env"
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
    dotenvs = {dotenv.absolute(): dotenv for dotenv in (path.parent / _DOTENV, Path(_DOTENV))}
    environment, malformed = read_environment(dotenvs.values(), environ)
    try:
        text = read_text(path, str(path))
    except ConfigError as error:
        raise ConfigError((*error.problems, *malformed)) from None
    report = Report(str(path), environment)
    watched = (path.absolute(), *dotenvs)
    return _config(text, report, malformed, _Document(kinds, watched))


def demo(directory: Path, environ: Mapping[str, str]) -> Config:
    """The built-in demo: one provider that needs no key and no network, and its two models.

    `environ` and `.env` in `directory` are read for `AUTH_TOKEN` and `RETRY_*`. Raises
    `ConfigError` if one of them is not what it should be or `.env` is malformed.
    """
    dotenv = directory / _DOTENV
    environment, malformed = read_environment([dotenv], environ)
    report = Report(DEMO_SOURCE, environment)
    document = _Document({ECHO: ProviderDefaults(None, lists_models=False)}, (dotenv.absolute(),))
    return _config(DEMO, report, malformed, document)


@dataclass(frozen=True, slots=True)
class _Document:
    """Reads the whole document."""

    kinds: Mapping[str, ProviderDefaults]
    watched: tuple[Path, ...]

    def __call__(self, cursor: Cursor) -> Config | None:
        """The configuration, or None, with problems noted, if a section cannot be read."""
        sections = cursor.fields({"gateway": gateway} | _LATER, required=("providers",))
        report = cursor.report
        front = sections.get("gateway") or gateway(Cursor(ABSENT, "gateway", 0, report))
        policies = _policies(sections, report)
        declared, providers = self._providers(sections.get("providers"), policies)
        models = self._models(cursor, sections.get("models"), declared, providers)
        routing = _routing(sections.get("routing"), models, providers)
        if report.problems or providers is None or models is None:
            return None
        unusable = usability_warning(models, providers)
        idle = idle_warnings(front.tokens, names(models, providers))
        more = (*resume_warnings(models), *([unusable] if unusable else []), *idle)
        watched = (*self.watched, *report.files)
        warnings = (*report.warnings, *more, *_exposed(watched, report))
        return Config(front, providers, models, report.file, watched, warnings, routing)

    def _models(
        self,
        cursor: Cursor,
        place: Cursor | None,
        declared: Collection[str],
        providers: Mapping[str, Provider] | None,
    ) -> tuple[Model, ...] | None:
        if place is not None:
            known = providers or {}
            draw_nothing = {p.name for p in known.values() if not self.kinds[p.kind].draws}
            return place.attempt(ModelsReader(declared, draw_nothing, known))
        # One that could not be read may have had a mind to list its own.
        if providers is not None and (
            len(providers) < len(declared) or any(each.discover for each in providers.values())
        ):
            return ()
        cursor.problem("required key 'models' is missing")
        return None

    def _providers(
        self, place: Cursor | None, policies: Policies
    ) -> tuple[Collection[str], Mapping[str, Provider] | None]:
        providers = place.attempt(ProvidersReader(self.kinds, policies)) if place else None
        if place is None or providers is None:
            return (), None
        return tuple(place.entries()), providers


def _exposed(files: Iterable[Path], report: Report) -> Iterator[str]:
    """What is wrong with the modes of the files. `.env` is there to hold secrets."""
    secretive = {Path(each).absolute() for each in report.secretive}
    for path in files:
        yield from complaints(path, secret=path in secretive or path.name == _DOTENV)


_LATER: dict[str, Reader[Cursor]] = dict.fromkeys(
    ("routing", "retry", "breaker", "throttle", "providers", "models"), itself
)


def _policies(sections: Mapping[str, Cursor], report: Report) -> Policies:
    place = sections.get("retry") or Cursor(ABSENT, "retry", 0, report)
    return Policies(
        place.attempt(retry_with_variables) or DEFAULTS.retry,
        nearest(sections.get("breaker"), breaker, DEFAULTS.breaker),
        nearest(sections.get("throttle"), throttle, DEFAULTS.throttle),
    )


def _routing(
    place: Cursor | None,
    models: Collection[Model] | None,
    providers: Mapping[str, Provider] | None,
) -> Routing:
    if place is None:
        return Routing()
    known = None
    if models is not None and providers is not None and not _doubts(place.report.problems):
        known = names(models, providers)
    return place.attempt(RoutingReader(known)) or Routing()


def _doubts(problems: Collection[Problem]) -> bool:
    """Whether a model or a provider may go by another name than was read."""
    return any(each.path.startswith(("providers", "models")) or not each.path for each in problems)


def _config(
    text: str, report: Report, malformed: Collection[Problem], document: _Document
) -> Config:
    node, problems = parse(text, report.file)
    report.problems.extend(problems)
    tree = None if node is None else translated(node, report, document.kinds)
    config = None if tree is None else Cursor(tree, "", tree.line, report).attempt(document)
    if config is None or malformed:
        report.problems.sort(key=lambda each: (each.file != report.file, each.line))
        raise ConfigError((*report.problems, *malformed), report.files)
    return config
