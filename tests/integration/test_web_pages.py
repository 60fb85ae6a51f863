"""The pages without JavaScript: forms that are sent, texts that are shown, what a second person is told."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openpyxl
import pytest

from tests.support.hostile_texts import HOSTILE
from tests.support.scripted_llm import ScriptedLlm
from tests.support.surroundings import Platform, plain
from tests.support.web_server import Answer, Web, add_maintainers, serving

TEACHER, COLLEAGUE = "prof@medq.test", "collegue@medq.test"
OPTIONS = {letter: f"Proposition {letter}" for letter in "ABCDE"}
HEADER = ["matiere", "cours", "niveau", "semestre", "texte de la question", *(f"option {c}" for c in "abcde")]


class Page(HTMLParser):
    """What of a page matters here: its forms' fields, links, texts, and that every tag that opens is closed."""

    VOID = frozenset({"meta", "link", "input", "br", "img", "hr"})

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(answer.text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag not in self.VOID:
            self._open.append(tag)
        if tag == "form":
            self.forms.append({"action": given.get("action"), "fields": {}})
        if tag == "input" and given.get("type") == "hidden":
            self.forms[-1]["fields"][given["name"]] = given.get("value") or ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def form(self, action: str) -> dict[str, str]:
        return dict(next(form["fields"] for form in self.forms if form["action"] == action))

    def links(self) -> set[str]:
        return {str(given["href"]) for tag, given in self.tags if tag == "a"}


def sheet_of(rows: list[tuple[str, str, str]]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "qcm"
    sheet.append([*HEADER, "reponse", "explication"])
    for specialty, stem, explanation in rows:
        sheet.append([specialty, "Urgences", "DCEM2", "S1", stem, *OPTIONS.values(), "AC", explanation])
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


class Browser:
    """A person who has entered by her own link."""

    def __init__(self, web: Web, user: str) -> None:
        self.web = web
        object.__setattr__(web.access, "link_user", user)
        answer = web.ask(f"/entrer?jeton={quote(web.access.new_link())}")
        assert (answer.status, answer.headers["location"]) == (303, "/")
        self.headers = {"Cookie": answer.headers["set-cookie"].partition(";")[0], "Sec-Fetch-Site": "same-origin"}

    def get(self, path: str, status: int = 200) -> Page:
        answer = self.web.ask(path, headers=self.headers)
        assert answer.status == status, answer.text[:2000]
        return Page(answer)

    def send(self, path: str, fields: dict[str, str]) -> Answer:
        return self.web.post_form(path, fields, headers=self.headers)

    def upload(self, path: str, name: str, data: bytes, fields: dict[str, str]) -> Answer:
        return self.web.post_file(path, name, data, fields, headers=self.headers)


@pytest.fixture
def site(platform: Platform) -> Platform:
    add_maintainers(platform, {TEACHER: "prof", COLLEAGUE: "collegue"})
    return platform


@pytest.fixture
def web(site: Platform) -> Iterator[Web]:
    with serving(site.worker_environment(), link_user=TEACHER, MEDQ_WEB_TOKEN="") as server:
        yield server


def test_a_teacher_uploads_follows_settles_and_takes_back(site: Platform, web: Web, llm: ScriptedLlm) -> None:
    stems = [f"Question numéro {n} ?" for n in range(4)]
    llm.configure(truth={stem: [OPTIONS["B"], OPTIONS["D"]] for stem in stems})
    teacher, colleague = Browser(web, TEACHER), Browser(web, COLLEAGUE)

    # Nothing yet: each page says what to do
    assert "déposer un classeur" in teacher.get("/").text
    assert "Rien n'attend de décision" in teacher.get("/a-trancher").text
    assert "/exploitation" not in teacher.get("/").links()

    # Sent twice by a nervous finger, the form makes one job
    fields = teacher.get("/").form("/taches")
    data = sheet_of([("Pédiatrie" if n else "Chirurgie", stem, "") for n, stem in enumerate(stems)])
    first, again = (teacher.upload("/taches", "Contrôle.xlsx", data, fields) for _ in range(2))
    assert first.status == 303
    assert first.headers["location"] == again.headers["location"]
    # Gone back to, with a letter corrected in a file of the same size, it makes another one
    corrected = teacher.upload("/taches", "Contrôle.xlsx", data[:-1] + bytes([data[-1] ^ 1]), fields)
    assert corrected.status == 303
    assert corrected.headers["location"] != first.headers["location"]
    site.execute('DELETE FROM "AiValidationJob" WHERE "id" = :id', id=corrected.headers["location"].rpartition("/")[2])
    job_page = first.headers["location"]
    job_id = job_page.rpartition("/")[2]
    with site.workers(1):
        site.wait_for_job(job_id)
    page = teacher.get(job_page)
    for words in ("Contrôle.xlsx", "terminée", "100 %", "4 sur 4", "4 à revoir.", "contestées"):
        assert words in page.text
    assert f"/taches/{job_id}/arreter" not in {form["action"] for form in page.forms}
    assert "4 sur 4" in teacher.get("/").text
    assert "Aucune tâche ne correspond" in teacher.get("/?q=nichts").text

    # One question at a time, with both looks beside the official answer, and what differs marked in words too
    queue = f"/a-trancher?tache={job_id}"
    page = teacher.get(queue)
    assert "4 questions restantes" in page.text
    for words in ("Officielle AC", "Analyse 1 BD", "Analyse 2 BD", "différent de la réponse officielle"):
        assert words in page.text
    door = next(form["action"] for form in page.forms if str(form["action"]).startswith("/a-trancher/"))
    order = page.form(door)
    settled = teacher.send(door, {**order, "action": "accept"})
    assert settled.status == 303
    page = teacher.get(settled.headers["location"])
    assert "3 questions restantes" in page.text
    assert "La réponse de l'analyse est acceptée." in page.text

    # A second person with the same question before her is told who was faster
    told = colleague.send(door, {**order, "csrf": csrf_of(colleague), "action": "keep"})
    assert told.status == 409
    assert "prof a déjà tranché cette question" in Page(told).text

    # Undo puts it back before her
    undone = teacher.send(door, {**page.form(door), "action": "undo"})
    page = teacher.get(undone.headers["location"])
    assert "4 questions restantes" in page.text
    assert "annulée" in page.text

    # She types a key by its letters, and nothing certain is refused with the question still there
    edit = {**page.form(door), "action": "edit", "lettres": "E", "explication": "Parce que <b>E</b>."}
    wrong = teacher.send(door, {**edit, "lettres": ""})
    assert wrong.status == 422
    assert "Donner la clé à retenir" in Page(wrong).text
    assert teacher.send(door, edit).status == 303
    (row,) = site.rows('SELECT "correctAnswer", "explanation" FROM "Question" WHERE "validatedBy" = \'prof\'')
    assert (row["correctAnswer"], row["explanation"]) == ("E", "Parce que E.")

    # By specialty, to the end
    while "restante" in (page := teacher.get(f"{queue}&specialite={quote('Pédiatrie')}")).text:
        doors = [form["action"] for form in page.forms if "version" in form["fields"]]
        if not doors:
            break
        assert teacher.send(doors[0], {**page.form(doors[0]), "action": "keep"}).status == 303
    assert "Rien n'attend de décision ici" in page.text
    sources = site.rows('SELECT DISTINCT "source" FROM "AiValidationDecision"')
    assert sources == [{"source": "page"}]

    # And the workbook goes out and comes back
    answer = web.ask(f"{job_page}/classeur", headers=teacher.headers)
    assert openpyxl.load_workbook(io.BytesIO(answer.body)).sheetnames[0] == "qcm"
    back = teacher.upload(f"{job_page}/decisions", "x.xlsx", answer.body, {"csrf": csrf_of(teacher)})
    assert "Aucune décision n'est inscrite" in Page(back).text


def csrf_of(browser: Browser) -> str:
    return browser.get("/").form("/taches")["csrf"]


def test_hostile_texts_are_shown_and_do_nothing(site: Platform, web: Web, llm: ScriptedLlm) -> None:
    llm.configure(truth={})
    teacher = Browser(web, TEACHER)
    job_id = site.enqueue(Path("examples/questions.xlsx"), file_name="a.xlsx")
    with site.workers(1):
        site.wait_for_job(job_id)
    (item_id, *_) = [row["id"] for row in site.rows('SELECT "id" FROM "AiValidationOpenItem" ORDER BY "id"')]
    site.execute('ALTER TABLE "AiValidationJob" DISABLE TRIGGER USER')  # which would refuse most of it
    known: set[tuple[str, ...]] = set()
    for text in ("harmlos", *HOSTILE):
        # Every text that anybody could have put into the database
        site.execute(
            """UPDATE "AiValidationItem" SET "reason" = :t, "sheet" = left(:t, 90),
               "findings" = jsonb_build_array(jsonb_build_object('code', 'x', 'message', CAST(:t AS text))),
               "question" = "question" || jsonb_build_object('text', CAST(:t AS text), 'specialty', CAST(:t AS text),
                   'course', CAST(:t AS text), 'case_text', CAST(:t AS text), 'reminder', CAST(:t AS text),
                   'image', CAST(:t AS text), 'explanation', CAST(:t AS text),
                   'options', jsonb_build_object('A', CAST(:t AS text), 'B', CAST(:t AS text)),
                   'option_explanations', jsonb_build_object('A', CAST(:t AS text))),
               "result" = "result" || jsonb_build_object('proposed', CAST(:t AS text), 'looks', jsonb_build_array(
                   jsonb_build_object('key', 'B', 'confidence', 0.5, 'model', CAST(:t AS text), 'explanation',
                       CAST(:t AS text), 'option_explanations', jsonb_build_object('A', CAST(:t AS text)), 'citations',
                       jsonb_build_array(jsonb_build_object('quote', CAST(:t AS text), 'source', CAST(:t AS text))))))
               WHERE "id" = :id""",
            t=text,
            id=item_id,
        )
        site.execute(
            'UPDATE "AiValidationJob" SET "originalFileName" = :t, "instructions" = :t, "message" = :t, '
            '"errorMessage" = :t, "config" = jsonb_build_object(CAST(left(:t, 60) AS text), CAST(:t AS text))',
            t=text,
        )
        site.execute('UPDATE "User" SET "name" = :t WHERE "id" = \'prof\'', t=text)
        told = plain(web.ask(f"/api/v1/items/{item_id}", headers=teacher.headers).json())
        assert told["reason"] == told["question"]["text"] == told["looks"][0]["explanation"] == plain(text)
        listed = plain(web.ask("/api/v1/jobs", headers=teacher.headers).json())["jobs"]
        assert [job["originalFileName"][:200] for job in listed] == [
            plain(text)[:200]
        ]  # a name of 100 kB comes bounded
        for path in ("/", f"/taches/{job_id}", f"/a-trancher?item={item_id}"):
            page = teacher.get(path)
            assert text[:80] in "".join(page.words).replace("\u00a0", " ") or " ".join(text[:80].split()) in page.text
            tags = {(tag, *sorted(given)) for tag, given in page.tags}
            if text == "harmlos":
                known |= tags
            # No tag and no attribute is there that is not there for a harmless text
            assert tags <= known, (path, text[:40], tags - known)
            hrefs = [str(given["href"]) for _, given in page.tags if "href" in given]
            assert all(href.startswith(("/", "#")) and not href.startswith("//") for href in hrefs)


def test_a_page_refuses_in_french_and_leads_back(site: Platform, web: Web) -> None:
    teacher = Browser(web, TEACHER)
    assert "Cette tâche n'existe pas" in teacher.get("/taches/cnichtda", 404).text
    assert "n'existe plus" in teacher.get("/a-trancher?item=cnichtda", 404).text
    assert "n'a pas le droit" in teacher.get("/exploitation", 403).text
    assert "rien à cette adresse" in teacher.get("/nichts", 404).text
    answer = teacher.send("/taches", {"csrf": csrf_of(teacher)})
    assert answer.status == 422
    assert "Aucun fichier n'est joint" in Page(answer).text
    forged = teacher.upload("/taches", "a.xlsx", b"x", {"csrf": "falsch"})
    assert forged.status == 403
    assert "a expiré" in Page(forged).text
    assert site.value('SELECT count(*) FROM "AiValidationJob"') == 0
    outside = web.ask("/")
    assert outside.status == 401
    assert "L'accès est fermé" in Page(outside).text
    assert outside.headers["content-type"].startswith("text/html")


def test_a_file_is_checked_on_its_page(web: Web) -> None:
    teacher = Browser(web, TEACHER)
    data = sheet_of([("Pédiatrie", "Question une ?", ""), ("Pédiatrie", "Question une ?", "")])
    page = Page(teacher.upload("/verifier", "a.xlsx", data, teacher.get("/verifier").form("/verifier")))
    for words in ("La tâche peut être lancée : 2 lignes lues", "texte de la question", "1 ligne en double"):
        assert words in page.text
    broken = teacher.upload("/verifier", "a.xlsx", b"nichts", {"csrf": csrf_of(teacher)})
    assert "La tâche échouerait :" in Page(broken).text


def test_an_admin_sees_the_whole_and_may_stop(site: Platform, web: Web) -> None:
    admin = Browser(web, "admin@medq.com")
    job_id = site.enqueue(Path("examples/questions.xlsx"))
    page = admin.get("/exploitation")
    assert "Aucun processus n'est au travail" in page.text
    page = admin.get(f"/taches/{job_id}")
    stopped = admin.send(f"/taches/{job_id}/arreter", page.form(f"/taches/{job_id}/arreter"))
    assert stopped.status == 303
    page = admin.get(f"/taches/{job_id}")
    assert "annulée" in page.text
    resumed = admin.send(f"/taches/{job_id}/reprendre", page.form(f"/taches/{job_id}/reprendre"))
    assert resumed.status == 303
    assert site.job(job_id)["status"] == "queued"
    admin.send(f"/taches/{job_id}/arreter", page.form(f"/taches/{job_id}/reprendre"))
    admin.send(f"/taches/{job_id}/supprimer", page.form(f"/taches/{job_id}/supprimer"))
    assert site.value('SELECT count(*) FROM "AiValidationJob"') == 0


def test_assets_are_ours_small_and_asked_for_again(web: Web) -> None:
    teacher = Browser(web, TEACHER)
    page = teacher.get("/")
    named = {str(g.get("src") or g.get("href")) for tag, g in page.tags if tag in ("script", "link")}
    assert {name.partition("?")[0] for name in named} == {
        "/statique/style.css", "/statique/page.js", "/statique/icone.svg"
    }  # fmt: skip
    for name in named:
        answer = web.ask(name)
        assert (answer.status, answer.headers["cache-control"]) == (200, "no-cache")
        assert web.ask(name, headers={"If-None-Match": answer.headers["etag"]}).status == 304
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", answer.text)
    assert web.ask("/statique/page.js").text.count("\n") < 300
    assert web.ask("/statique/../app.py").status in (401, 404)
    assert web.ask("/statique/%2e%2e/app.py").status in (401, 404)
