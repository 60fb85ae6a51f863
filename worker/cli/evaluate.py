"""`medq eval`: is this model worth trusting? Options and printing; the job and the measuring are elsewhere."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.jobs import ConfigOption, parse_config
from worker.cli.output import EMBEDDED_MODEL_WARNING, say, tell_json
from worker.errors import ProviderUnavailable, UsageError

if TYPE_CHECKING:
    from worker.courses.embedder import Role
    from worker.courses.embeddings import EmbeddingClient
    from worker.evaluation.figures import Scores
    from worker.evaluation.run import KnownQuestion, Told
    from worker.evaluation.spoil import Spoiling
    from worker.settings import Settings


FileArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="FILE",
        help="Questions with known answers; with --courses, questions whose passage is known.",
        show_default=False,
    ),
]
CoursesOption = Annotated[
    Path | None, typer.Option("--courses", metavar="FOLDER", help="Measure how passages of these documents are found.")
]
DecisionsOption = Annotated[
    bool, typer.Option("--from-decisions", help="Instead of FILE: what people decided so far. Asks no model.")
]
MissedOption = Annotated[
    Path | None, typer.Option("--missed", metavar="PATH", help="Write all that was missed there, as CSV.")
]


def evaluate(  # noqa: PLR0917 (typer calls it by name)
    context: typer.Context,
    file: FileArgument = None,
    courses: CoursesOption = None,
    from_decisions: DecisionsOption = False,
    wrong: Annotated[float, typer.Option("--wrong", min=0, max=0.9, help="Share of keys to spoil.")] = 0.05,
    left_out: Annotated[float, typer.Option("--left-out", min=0, max=0.9, help="Share of keys to leave out.")] = 0.05,
    model: Annotated[str | None, typer.Option("--model", metavar="NAME", help="Model; default: MEDQ_MODEL.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Which questions are spoiled, and how.")] = 0,
    limit: Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Only N of them, drawn.")] = None,
    missed: MissedOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    config: ConfigOption = None,
) -> None:
    """Measure a model on questions whose keys are known, or by what people decided about its answers; or the search.

    FILE is a workbook, a CSV file or FrenchMedMCQA's JSON. Some keys and short answers are spoiled, some left out;
    then a real job runs in a scratch database, dropped afterwards. Costs what a job on these questions costs.

    With --courses, no LLM is asked and nothing is paid, but for vectors where MEDQ_EMBEDDING_MODEL is set. The
    documents of FOLDER are read into a scratch database and searched for the questions of FILE, a CSV file or workbook
    with these columns: question; options (one on a line, or between |; or option a, option b …; none: a short
    question); what should be found: passage (a text of the document, a few words are enough), or document and page.
    All three empty: the subject is in no document, and nothing should be shown. Also read: texte du cas, matiere,
    cours, niveau.

    \b
    Examples:
      medq eval exam.xlsx --limit 100 --missed missed.csv
      medq eval dev.json --model gpt-5.4-mini --wrong 0.1 --json
      medq eval --from-decisions
      medq eval --courses courses/ questions.csv
    """
    if courses is not None:
        why = "--courses measures the search of courses, and asks no model"
        _check_alone(context, why, ("courses", "file", "missed"))
        _measure_courses(courses, file, missed, as_json=as_json)
        return
    if from_decisions:
        _check_alone(context, "--from-decisions measures what people decided", ("from_decisions",))
        _show_decisions(as_json=as_json)
        return
    if file is None:
        raise UsageError("Give a FILE whose answers are known, or --from-decisions.")
    if wrong + left_out > 1:
        raise UsageError("--wrong and --left-out are shares of the same questions: together at most 1.")
    from worker.cli.worth import check_missed, show_scores, write_missed
    from worker.evaluation.run import read_known
    from worker.evaluation.spoil import Spoiling

    known = read_known(file, parse_config(config))
    if limit is not None and limit < len(known):
        known = random.Random(seed).sample(known, limit)  # noqa: S311 (a sample, not a secret)
    check_missed(missed)
    scores, asked, is_embedded = _measure_model(known, model, Spoiling(wrong, left_out, seed))
    if as_json:
        tell_json({"file": str(file), "model": asked, "seed": seed, **scores.to_json()})
    else:
        show_scores(scores, file, missed)
    if missed is not None:
        write_missed(scores.missed, missed)
    if is_embedded:
        say(EMBEDDED_MODEL_WARNING)


def _measure_model(
    known: Sequence[KnownQuestion], model: str | None, spoiling: Spoiling
) -> tuple[Scores, str | None, bool]:
    """A job on the questions in a scratch database: the scores, the model, and whether it is the demonstration one."""
    from worker.cli.processes import language_model
    from worker.cli.site import open_site
    from worker.evaluation.run import evaluate as run
    from worker.logging import configure_logging

    configure_logging(level=40)  # what is worth a line is in the figures
    with open_site(broker=True, create=True) as site, language_model(site) as environment, _progress() as told:
        url = environment.get("MEDQ_EMBEDDED_LLM_URL")
        update: dict[str, object] = {"embedded_llm_url": url} if url or model is not None else {}
        if model is not None:
            update |= {"model": model, "review_model": None, "azure_deployment": None}
        settings = site.settings.model_copy(update=update)
        return run(known, settings, spoiling, told=told), settings.model, url is not None


@contextmanager
def _progress(what: str = "Asking") -> Iterator[Told]:
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def _check_alone(context: typer.Context, why: str, fitting: Sequence[str]) -> None:
    """Nothing is asked and nothing spoiled: what belongs to an evaluation of a file would be overheard."""
    typed = []
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name not in (*fitting, "as_json") and source is not None and source.name == "COMMANDLINE":
            typed.append("FILE" if parameter.name == "file" else max(parameter.opts, key=len))
    if typed:
        raise UsageError(f"{why}: {', '.join(typed)} cannot be given beside it.")


def _measure_courses(folder: Path, file: Path | None, missed: Path | None, *, as_json: bool) -> None:
    """The documents of the folder, searched for the questions of the file."""
    from worker.cli.recall import describe_recall, remark, show_recall, write_missed
    from worker.cli.site import open_site
    from worker.cli.worth import check_missed
    from worker.evaluation.courses import evaluate_courses, read_course_questions
    from worker.logging import configure_logging

    if file is None:
        raise UsageError("Give the questions too: medq eval --courses FOLDER QUESTIONS.csv. --help tells its columns.")
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder. Give the folder of the course documents.")
    questions, others = read_course_questions(file)
    if others:
        say(f"Columns that are not read: {', '.join(others)}.")
    check_missed(missed)
    configure_logging(level=40)
    with open_site(create=True) as site, _open_embedder(site.settings) as embedder:
        url = site.settings.database_url or ""
        try:
            recall = evaluate_courses(folder, questions, url, told=remark, embedder=embedder)
        except ProviderUnavailable as error:
            raise UsageError(
                f"{error}. See that MEDQ_EMBEDDING_BASE_URL is right and answers; with MEDQ_EMBEDDING_MODEL unset "
                "words alone are searched."
            ) from error
    if as_json:
        tell_json({"file": str(file), "courses": str(folder), **describe_recall(recall)})
    else:
        show_recall(recall, file, missed)
    if missed is not None:
        write_missed(recall, missed)


class _Counted:
    """An embedding model, and on a terminal how many texts it has read."""

    def __init__(self, client: EmbeddingClient, told: Told) -> None:
        self._client, self._told, self._done = client, told, 0

    @property
    def model(self) -> str:
        return self._client.model

    def embed(self, texts: Sequence[str], role: Role, *, timeout_s: float) -> list[list[float]]:
        vectors = self._client.embed(texts, role, timeout_s=timeout_s)
        self._done += len(texts)
        self._told(self._done, 0)
        return vectors


@contextmanager
def _open_embedder(settings: Settings) -> Iterator[_Counted | None]:
    """The model that workers would search with, if one is set."""
    from worker.courses.embeddings import EmbeddingClient

    if not settings.embedding_model:
        yield None
        return
    client = EmbeddingClient(settings)
    try:
        with _progress("Vectors") as told:
            yield _Counted(client, told)
    finally:
        client.close()


def _show_decisions(*, as_json: bool) -> None:
    from worker.cli.site import open_site
    from worker.cli.worth import show_acceptance
    from worker.evaluation.acceptance import measure_acceptance
    from worker.review.standing_decisions import read_settled

    with open_site() as site, site.engine.connect() as connection:
        acceptance = measure_acceptance(read_settled(connection))
    if as_json:
        tell_json(acceptance.to_json())
    else:
        show_acceptance(acceptance)
