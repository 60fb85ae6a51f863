"""The pages in a real browser: what a teacher does with mouse and keyboard, and what the database says then."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import openpyxl
import pytest
import sqlalchemy as sa

from tests.support.browser import WIDTHS, Browser, explain_absence, open_browser
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import ADMIN, Platform
from tests.support.web_server import Web, add_maintainers, serving
from worker.courses.document import CourseLabels
from worker.courses.files import find_files
from worker.courses.ingest import ingest_files
from worker.db.engine import Database

TEACHER, COLLEAGUE = "prof@medq.test", "collegue@medq.test"
CONTESTED, CONFIRMED = 20, 4
LETTERS = "ABCDE"
OPTIONS = {letter: f"Proposition {letter}" for letter in LETTERS}
COMMON = ["matiere", "cours", "niveau", "semestre", "texte de la question"]
# The official key is AC; half of the contested questions have short answers instead.
RIGHT, WRONG = [OPTIONS["A"], OPTIONS["C"]], [OPTIONS["B"], OPTIONS["D"]]

pytestmark = pytest.mark.skipif(bool(explain_absence()), reason=explain_absence() or "")


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Browser]]:
    """Two browsers that know nothing of one another."""
    with ExitStack() as stack:
        yield [stack.enter_context(open_browser(tmp_path_factory.mktemp("browser"))) for _ in range(2)]


@pytest.fixture
def site(platform: Platform) -> Platform:
    platform.environment["MEDQ_MODEL"] = "gpt-5-mini"  # one whose price is known
    add_maintainers(platform, {TEACHER: "Enseignante", COLLEAGUE: "Collègue"})
    return platform


@pytest.fixture
def web(site: Platform) -> Iterator[Web]:
    with serving(site.worker_environment(), link_user=TEACHER, MEDQ_WEB_TOKEN="") as server:
        yield server


def enter(browser: Browser, web: Web, user: str) -> None:
    """By a link of her own."""
    browser.chrome.delete_all_cookies()
    object.__setattr__(web.access, "link_user", user)
    browser.open(f"{web.url}/entrer?jeton={web.access.new_link()}")
    browser.run("localStorage.clear()")
    browser.errors()  # of before


def write_upload(path: Path, contested: int = CONTESTED, confirmed: int = CONFIRMED) -> dict[str, list[str] | str]:
    """A workbook of questions; what the scripted model knows about them."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    many, short = book.create_sheet("qcm"), book.create_sheet("qroc")
    many.append([*COMMON, *(f"option {letter}" for letter in "abcde"), "reponse"])
    short.append([*COMMON, "reponse"])
    truth: dict[str, list[str] | str] = {}
    for number in range(contested + confirmed):
        row = ["Pédiatrie", "Urgences", "DCEM2", "S1", f"Question numéro {number} ?"]
        if number < contested // 2:
            short.append([*row, "Réponse du fichier"])
            truth[row[-1]] = "Réponse de l'analyse"
        else:
            many.append([*row, *OPTIONS.values(), "AC"])
            truth[row[-1]] = RIGHT if number >= contested else WRONG
    book.save(path)
    return truth


WATCH = """
window.notReloaded = true;
window.progressSeen = [];
window.shifted = 0;
// Where things are: what is put in the place of something else has not shifted, as a browser counts.
const places = () => [...document.querySelectorAll('progress, #issues')].map((e) => `${e.id}: ${e.offsetTop}`);
window.placesSeen = new Set(places());
new PerformanceObserver((list) => { for (const e of list.getEntries()) shifted += e.value; })
  .observe({type: 'layout-shift'});
new MutationObserver(() => {
  const bar = document.querySelector('progress');
  if (bar && progressSeen.at(-1) !== bar.value) progressSeen.push(bar.value);
  for (const place of places()) window.placesSeen.add(place);
}).observe(document.body, {subtree: true, childList: true, attributes: true, characterData: true});
"""


def test_a_teacher_uploads_watches_settles_by_keyboard_and_downloads(
    site: Platform, web: Web, llm: ScriptedLlm, windows: list[Browser], tmp_path: Path
) -> None:
    browser, _ = windows
    upload = tmp_path / "Contrôle.xlsx"
    llm.configure(truth=write_upload(upload), latency_s=0.25)
    enter(browser, web, TEACHER)

    # A file is dropped and sent, and its page is there
    browser.drop(upload, "[data-depot]")
    browser.wait_for_text("Contrôle.xlsx", "[data-nom]")
    browser.press("\ue007")
    browser.wait(lambda: "/taches/" in browser.chrome.current_url, "the job's page")
    job_id = browser.chrome.current_url.rpartition("/")[2]
    browser.run(WATCH)
    assert "Aucun processus n'est au travail" in browser.text()
    with site.workers(1, MEDQ_THREADS="2") as workers:
        # It goes on before her eyes; half-way the only worker is killed, and another one takes over
        browser.wait(lambda: 0 < browser.run("return document.querySelector('progress').value") < 99, "progress")
        browser.wait(lambda: "Aucun processus" not in browser.text(), "the page of a job under way")
        llm.configure(hold=True)
        (killed,) = workers.pids()
        os.kill(killed, signal.SIGKILL)
        llm.configure(hold=False)
        browser.wait(lambda: workers.pids() not in ([], [killed]), "another worker")
        browser.wait_for_text("terminée")
        site.wait_for_job(job_id)
    browser.wait_for_text("100 %")
    browser.wait_for_text(f"{CONTESTED} à revoir")
    seen = browser.run("return window.notReloaded && window.progressSeen")
    assert (seen, seen[-1]) == (sorted(seen), 100)
    # And nothing has moved from before its beginning to its end
    assert browser.run("return window.shifted") < 0.01
    assert len(browser.run("return [...window.placesSeen]")) == 2

    # Every question is settled by keyboard alone
    browser.run("document.querySelector('a[href^=\"/a-trancher?\"]').focus()")
    browser.press("\ue007")
    browser.wait_for_text(f"{CONTESTED} questions restantes")
    settle_all(browser)
    browser.wait_for_text("Rien n'attend de décision ici")
    # The last one comes back, and goes again
    browser.press("u")
    browser.wait_for_text("1 question restante")
    assert open_items(site) == 1
    browser.press("g")
    browser.wait_for_text("Rien n'attend de décision ici")

    # The workbook, and what the database says
    browser.open(f"{web.url}/taches/{job_id}")
    path = browser.download(lambda: browser.click("a[href$='/classeur']"))
    assert path.name == "Contrôle-corrige.xlsx"
    rows = list(openpyxl.load_workbook(path)["qcm"].iter_rows(values_only=True))
    assert len(rows) == 1 + CONTESTED // 2 + CONFIRMED
    made = {row["action"]: row["n"] for row in site.rows(
        """SELECT "action", count(*) AS n FROM "AiValidationDecision" WHERE "userId" = 'prof' AND "source" = 'page'
           GROUP BY 1"""
    )}  # fmt: skip
    assert made == {"keep": 6, "accept": 5, "edit": 5, "discard": 5, "undo": 1}
    # Each question is as its last decision says
    settled = site.rows("""SELECT DISTINCT ON (d."itemId") d."action", q."correctAnswer" AS key, q."validatedBy" AS who
                           FROM "AiValidationDecision" d JOIN "AiValidationItem" i ON i."id" = d."itemId"
                           JOIN "Question" q ON q."id" = i."questionId" WHERE i."sheet" = 'qcm'
                           ORDER BY d."itemId", d."createdAt" DESC""")
    assert len(settled) == CONTESTED // 2
    expected = {"keep": "AC", "accept": "BD", "edit": "ACE"}
    kept = [row for row in settled if row["action"] != "discard"]
    assert [row["key"] for row in kept] == [expected[row["action"]] for row in kept]
    assert {row["who"] for row in kept} == {"prof"}
    assert open_items(site) == 0
    assert browser.errors() == []


def settle_all(browser: Browser) -> None:
    """Each in one or two keystrokes, or with what she types; the next one is there without the page being loaded."""
    browser.run("window.samePage = true")
    for key, left in zip(cycle("gaém"), range(CONTESTED, 0, -1), strict=False):
        before = browser.run("return document.querySelector('[data-item]').dataset.item")
        browser.wait_for_text(f"{left} question{'s' if left > 1 else ''} restante{'s' if left > 1 else ''}")
        if key == "é" and left > 1:
            browser.press("j")  # looks at another one first
            browser.wait(lambda it=before: item_shown(browser) not in (None, it), "another question")  # type: ignore[misc]
            browser.press("k")
            browser.wait(lambda it=before: item_shown(browser) == it, "the question again")  # type: ignore[misc]
        browser.press(key)
        if key == "m":
            browser.wait(lambda: browser.run("return document.activeElement.name") in ("lettres", "reponse"), "a field")
            if browser.run("return document.activeElement.name") == "reponse":
                browser.press("!", "\ue007")
            else:
                browser.press(*"\ue004\ue004\ue004\ue004", " ", "\ue007")  # E too
        browser.wait(lambda it=before: item_shown(browser) != it, f"the next question after {key}")  # type: ignore[misc]
    assert browser.run("return window.samePage")


def item_shown(browser: Browser) -> str | None:
    found: str | None = browser.run("const q = document.querySelector('[data-item]'); return q && q.dataset.item")
    return found


def open_items(site: Platform) -> int:
    return int(site.value('SELECT count(*) FROM "AiValidationOpenItem"'))


def test_the_next_question_is_there_before_the_server_has_answered(
    site: Platform, web: Web, llm: ScriptedLlm, windows: list[Browser], tmp_path: Path
) -> None:
    browser, other = windows
    job_id = do_job(site, llm, tmp_path / "a.xlsx")
    for window, user in ((browser, TEACHER), (other, COLLEAGUE)):
        enter(window, web, user)
        window.open(f"{web.url}/a-trancher?tache={job_id}")
    first = item_shown(browser)
    assert item_shown(other) == first
    wait_until_ahead(browser)

    # While somebody holds the question's row, the decision waits for it, and the person does not
    with site.engine.begin() as connection:
        connection.execute(sa.text('SELECT 1 FROM "AiValidationItem" WHERE "id" = :id FOR UPDATE'), {"id": first})
        browser.press("g")
        browser.wait(lambda: item_shown(browser) not in (None, first), "the next question")
        assert open_items(site) == CONTESTED
    browser.wait_for_text("Décision enregistrée.", "#annonce")
    assert open_items(site) == CONTESTED - 1

    # Whoever has the settled question before her is told who was faster, and sees the question as it is now
    wait_until_ahead(other)
    other.press("a")
    other.wait_for_text("Enseignante a déjà tranché cette question", "[role=alert]")
    assert item_shown(other) == first
    assert open_items(site) == CONTESTED - 1
    other.press("j")
    other.wait(lambda: item_shown(other) not in (None, first), "another question")

    # Without a server nothing is taken for settled
    second = item_shown(browser)
    browser.cdp("Network.enable", {})
    browser.cdp("Network.emulateNetworkConditions", OFFLINE)
    browser.press("g")
    browser.wait_for_text("la décision n'est pas enregistrée", "[role=alert]")
    browser.cdp("Network.emulateNetworkConditions", {**OFFLINE, "offline": False})
    browser.open(f"{web.url}/a-trancher?item={second}")
    assert item_shown(browser) == second
    assert open_items(site) == CONTESTED - 1


OFFLINE = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}


def test_a_question_that_went_with_the_decision_is_not_asked_again(
    site: Platform, web: Web, llm: ScriptedLlm, windows: list[Browser], tmp_path: Path
) -> None:
    browser, _ = windows
    for name in "ab":
        do_job(site, llm, tmp_path / f"{name}.xlsx", contested=1, confirmed=0)
    enter(browser, web, TEACHER)
    browser.open(f"{web.url}/a-trancher")
    browser.wait_for_text("2 questions restantes")
    wait_until_ahead(browser)  # it is the same question, of the other file
    browser.press("a")
    browser.wait_for_text("Rien n'attend de décision.")
    assert open_items(site) == 0
    assert browser.run("return document.querySelector('[role=alert]')") is None
    browser.press("u")
    browser.wait_for_text("2 questions restantes")


def do_job(site: Platform, llm: ScriptedLlm, path: Path, **counts: int) -> str:
    llm.configure(truth=write_upload(path, **counts))
    job_id = site.enqueue(path, file_name=path.name)
    with site.workers(1):
        site.wait_for_job(job_id)
    return job_id


def wait_until_ahead(browser: Browser) -> None:
    """Until the next question's page has come."""
    browser.wait(lambda: browser.run(
        "return performance.getEntriesByType('resource').some((e) => e.name.endsWith("
        "document.querySelector('[data-suite]').dataset.suite) && e.responseEnd > 0)"
    ), "the page ahead")  # fmt: skip


def test_a_page_goes_on_by_itself_after_its_server_was_away(
    site: Platform, llm: ScriptedLlm, windows: list[Browser], tmp_path: Path
) -> None:
    browser, _ = windows
    llm.configure(truth=write_upload(tmp_path / "a.xlsx"), hold=True)
    job_id = site.enqueue(tmp_path / "a.xlsx", file_name="a.xlsx")
    proxy: dict[str, Any] = {"MEDQ_WEB_TOKEN": "", "MEDQ_WEB_USER_HEADER": "X-User"}
    proxy["MEDQ_WEB_TRUSTED_PROXIES"] = "127.0.0.1"
    browser.chrome.delete_all_cookies()
    browser.cdp("Network.enable", {})
    browser.cdp("Network.setExtraHTTPHeaders", {"headers": {"X-User": TEACHER}})
    try:
        with site.workers(1):
            with serving(site.worker_environment(), **proxy) as web:
                browser.open(f"{web.url}/taches/{job_id}")
                browser.run("window.notReloaded = true")
                browser.wait_for_text("en cours")
            # The server is gone; the job is done meanwhile
            llm.configure(hold=False)
            site.wait_for_job(job_id)
            assert "en cours" in browser.text()
            with serving(site.worker_environment(), port=urlsplit(web.url).port or 0, **proxy):
                browser.wait_for_text("terminée")
                browser.wait_for_text("100 %")
        assert browser.run("return window.notReloaded")
    finally:
        browser.cdp("Network.setExtraHTTPHeaders", {"headers": {}})


# How it looks

# What the documents show; pictures of them are kept when they are asked for.
SHOWN = {"vide", "taches", "tache-en-cours", "tache", "a-trancher", "modifier", "verifier", "exploitation"}
COURSE = """L'aspirine et l'héparine sont débutées d'emblée, avant le dosage de troponine. La coronarographie en
urgence est la reperfusion de référence si elle est possible en moins de 120 minutes. L'épreuve d'effort est
contre-indiquée à la phase aiguë."""
CASE = (
    "Un homme de 60 ans, fumeur, consulte pour une douleur thoracique constrictive qui irradie au bras gauche depuis "
    "une heure. La pression artérielle est à 130/80 mmHg. L'ECG montre un sus-décalage du segment ST de V1 à V4."
)
EMERGENCY = ["Aspirine", "Anticoagulation par héparine", "Attendre le dosage de la troponine",
             "Coronarographie en urgence", "Épreuve d'effort"]  # fmt: skip
LOOKS = """
UPDATE "AiValidationItem" SET "result" = jsonb_set("result", '{looks}', jsonb_build_array(
  "result" #> '{looks,0}' || CAST(:first AS jsonb), "result" #> '{looks,1}' || CAST(:second AS jsonb)))
WHERE "question" ->> 'text' = :text
"""
FIRST_OPTIONS = {
    "A": "Antiagrégant donné d'emblée, sauf contre-indication.",
    "B": "L'anticoagulation accompagne l'aspirine dès le diagnostic.",
    "C": "L'ECG suffit au diagnostic : le traitement n'attend pas la troponine.",
    "D": "La reperfusion est urgente, par angioplastie si le délai le permet.",
    "E": "Contre-indiquée à la phase aiguë.",
}
SECOND_OPTIONS = FIRST_OPTIONS | {
    "B": "L'héparine fait partie du traitement initial.",
    "C": "Attendre ce dosage ferait perdre du myocarde.",
}
FIRST = (
    "L'aspirine et l'héparine se débutent dès le diagnostic, et la reperfusion par coronarographie est l'urgence. La "
    "troponine confirme le diagnostic sans conditionner le traitement."
)
SECOND = (
    "Devant un sus-décalage persistant, le traitement antithrombotique et la coronarographie ne doivent pas être "
    "retardés ; une épreuve d'effort serait dangereuse à la phase aiguë."
)


def make_showcase(site: Platform, llm: ScriptedLlm, folder: Path) -> str:
    """A job whose questions a doctor would recognise; its id."""
    courses = folder / "DCEM2" / "Cardiologie"
    courses.mkdir(parents=True)
    (courses / "syndrome-coronarien-aigu.md").write_text(COURSE, encoding="utf-8")
    for _ in ingest_files(Database(site.engine), find_files([folder / "DCEM2"]), CourseLabels()):
        pass
    book = openpyxl.Workbook()
    book.remove(book.active)
    cases, many, short = (book.create_sheet(name) for name in ("cas qcm", "qcm", "qroc"))
    options = [f"option {letter}" for letter in "abcde"]
    cases.append([*COMMON[:-1], "cas n°", "texte du cas", "texte de la question", *options, "reponse"])
    many.append([*COMMON, *options, "reponse"])
    short.append([*COMMON, "reponse"])
    heart, gland = (
        ["Cardiologie", "Syndrome coronarien aigu", "DCEM2", "S1"],
        ["Endocrinologie", "Thyroïde", "DCEM2", "S1"],
    )
    cases.append([*heart, 1, CASE, "Que faut-il faire sans attendre ?", *EMERGENCY, "AC"])
    signs = ["Frilosité", "Amaigrissement", "Bradycardie", "Tremblements", "Diarrhée"]
    many.append([*gland, "Quels signes évoquent une hypothyroïdie ?", *signs, "AC"])
    many.append([*gland, "Quelle hormone abaisse la glycémie ?", "Glucagon", "Insuline", "Cortisol", None, None, "A"])
    many.append([*gland, "Quel dosage demander en premier ?", "TSH", None, None, None, None, "A"])
    short.append([*gland, "Quelle est la cause la plus fréquente d'hyperthyroïdie ?", "Goitre multinodulaire"])
    book.save(folder / "Contrôle S1.xlsx")
    llm.configure(truth={
        "Que faut-il faire sans attendre ?": [EMERGENCY[i] for i in (0, 1, 3)],
        "Quels signes évoquent une hypothyroïdie ?": ["Frilosité", "Bradycardie"],
        "Quelle hormone abaisse la glycémie ?": ["Insuline"],
        "Quelle est la cause la plus fréquente d'hyperthyroïdie ?": "Maladie de Basedow",
    })  # fmt: skip
    job_id = site.enqueue(folder / "Contrôle S1.xlsx", instructions="Niveau DCEM2, collège des enseignants.")
    with site.workers(1):
        site.wait_for_job(job_id)
    looks = {
        name: json.dumps({"explanation": text, "option_explanations": options})
        for name, text, options in (("first", FIRST, FIRST_OPTIONS), ("second", SECOND, SECOND_OPTIONS))
    }
    assert site.execute(LOOKS, **looks, text="Que faut-il faire sans attendre ?") == 1
    return job_id


def test_every_page_is_fit_for_everybody_at_every_width(
    site: Platform, web: Web, llm: ScriptedLlm, windows: list[Browser], tmp_path: Path
) -> None:
    """axe-core finds nothing, nothing is wider than the window, the console is quiet. MEDQ_SCREENSHOTS: a folder."""
    browser, _ = windows
    pictures = os.environ.get("MEDQ_SCREENSHOTS")
    complaints: list[str] = []

    def look(name: str, *, dark: bool = False) -> None:
        for width in WIDTHS:
            browser.show_as(width, dark=dark, reduced_motion=True)
            assert browser.overflow() == 0, (name, width)
            if pictures and name in SHOWN:
                browser.picture(Path(pictures) / f"{name}{'-sombre' if dark else ''}-{width}.png")
        browser.show_as(1366, dark=dark)
        complaints.extend(f"{name}{' (dark)' * dark}: {found}" for found in browser.complaints())

    enter(browser, web, TEACHER)
    look("vide")
    browser.open(f"{web.url}/a-trancher")
    look("rien-a-trancher")
    job_id = make_showcase(site, llm, tmp_path)
    llm.configure(hold=True)
    running = site.enqueue(Path("examples/questions.xlsx"), file_name="Examen de juin.xlsx")
    with site.workers(1, MEDQ_GRACE_SECONDS="1"):
        site.wait_until(lambda: site.job(running)["totalItems"] > 0, what="read")
        for path, name in ((f"/taches/{running}", "tache-en-cours"), ("/", "taches")):
            browser.open(web.url + path)
            look(name)
        llm.configure(hold=False)
        site.wait_for_job(running)
    browser.open(f"{web.url}/taches/{job_id}")
    look("tache")
    stem = "Que faut-il faire sans attendre ?"
    item = site.value('SELECT "id" FROM "AiValidationOpenItem" WHERE "questionText" = :text', text=stem)
    browser.open(f"{web.url}/a-trancher?item={item}")
    look("a-trancher")
    look("a-trancher", dark=True)
    browser.press("m")
    look("modifier")
    browser.open(
        f"{web.url}/a-trancher?tache={job_id}&item="
        + site.value('SELECT "id" FROM "AiValidationOpenItem" WHERE "official" = :text', text="Goitre multinodulaire")
    )
    look("reponse-courte")
    browser.press("a")
    browser.wait_for_text("acceptée", "[data-fait]")  # "enregistrée" may stand there for a moment before
    look("suite")
    browser.open(f"{web.url}/verifier")
    browser.drop(tmp_path / "Contrôle S1.xlsx", "[data-depot]")
    browser.wait_for_text("peut être lancée")
    look("verifier")
    look("verifier", dark=True)
    assert browser.errors() == []
    enter(browser, web, ADMIN)
    browser.open(f"{web.url}/exploitation")
    look("exploitation")
    browser.open(f"{web.url}/taches/{job_id}")
    browser.run("for (const part of document.querySelectorAll('details')) part.open = true")
    look("tache-administrateur")
    assert browser.errors() == []
    for path, name in (("/nichts", "introuvable"), ("/entrer?jeton=x", "ferme")):
        browser.open(web.url + path)
        look(name)
    assert complaints == []
