// What pages do beyond their forms: files that are dropped, jobs that go on, decisions by keyboard.
"use strict";

const root = document.documentElement;
root.classList.add("script");
const main = () => document.querySelector("main");
const announce = (text) => { document.getElementById("annonce").textContent = text; };

// -- a file that is dropped or chosen --------------------------------------------------------------------------------

for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    if (kind !== "dragleave") event.preventDefault(); // a file beside the zone must not replace the page
    const over = event.target.closest && event.target.closest("[data-depot]");
    for (const zone of document.querySelectorAll("[data-depot]")) zone.classList.toggle("dessus", kind === "dragover" && zone === over);
    if (kind !== "drop" || !over || !event.dataTransfer.files.length) return;
    const input = over.querySelector("input[type=file]");
    input.files = event.dataTransfer.files;
    chosen(input);
  });
}

// What costs nothing goes at once; what costs something with one more key.
function chosen(input) {
  const file = input.files[0];
  if (!file) return;
  const name = input.closest("[data-depot]").querySelector("[data-nom]");
  name.textContent = `${file.name} (${Math.max(1, Math.round(file.size / 1024)).toLocaleString("fr")}\u00a0ko).`;
  name.classList.add("nom-fichier");
  announce(`Fichier choisi : ${file.name}.`);
  const button = input.form.querySelector("[data-defaut], button");
  if ("aussitot" in input.form.dataset) input.form.requestSubmit(button);
  else button.focus();
}

// A second click on a form that is on its way does nothing.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.getAttribute("method") !== "post" || event.defaultPrevented || "decision" in form.dataset) return;
  if (form.dataset.parti) { event.preventDefault(); return; }
  form.dataset.parti = "1";
  if (form.classList.contains("envoi")) announce("Envoi en cours…");
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-parti]")) delete form.dataset.parti;
});

// -- jobs that go on -------------------------------------------------------------------------------------------------

let source = null;

function follow() {
  if (source) source.close();
  const shown = [...document.querySelectorAll("[data-suivre]")];
  source = null;
  if (!shown.length) return;
  const wanted = new URLSearchParams(shown.map((place) => ["tache", place.dataset.suivre]));
  source = new EventSource(`/evenements?${wanted}`);
  source.addEventListener("job", (event) => update(JSON.parse(event.data)));
  source.addEventListener("gone", () => location.reload());
  // It comes back by itself after a break; not where nobody is let in any more.
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) tellAbove("L'avancement n'est plus suivi en direct.", location.href, "Recharger la page");
  });
}

function update(job) {
  for (const place of document.querySelectorAll(`[data-tache="${CSS.escape(job.id)}"]`)) {
    const value = job.fields[place.dataset.champ];
    if (value === undefined) continue;
    if (place.tagName === "PROGRESS") place.value = Number(value);
    else if (place.textContent !== value) place.textContent = value;
    place.classList.toggle("nul", value === "0");
  }
  const followed = document.querySelector(`[data-suivre="${CSS.escape(job.id)}"]`);
  if (!followed || followed.dataset.etat === job.status) return;
  followed.dataset.etat = job.status;
  announce(`${job.fields.etat}. ${job.fields.message}`);
  refresh(); // what can be done with it is another now
}

async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (answer.ok) show(await answer.text(), false);
}

// -- the next page without a wait ------------------------------------------------------------------------------------

function show(html, moved) {
  const page = read(html);
  const found = page.querySelector("main");
  if (!found) return;
  main().replaceWith(document.adoptNode(found));
  document.title = page.title;
  if (moved) {
    window.scrollTo(0, 0);
    const title = main().querySelector("h1");
    if (title) title.focus({ preventScroll: true });
  }
  prepare();
  follow();
}

// -- decisions -------------------------------------------------------------------------------------------------------

let ahead = null; // the page of the next question, on its way
let sent = Promise.resolve(); // decisions leave one after the other

function prepare() {
  const question = document.querySelector("[data-suite]");
  const address = question && question.dataset.suite;
  // Asked once what was decided before stands, so that it counts rightly and shows nothing that is settled already.
  ahead = address ? { address, page: sent.then(() => get(address)) } : null;
  const help = document.querySelector("[data-raccourcis]");
  if (help) help.checked = localStorage.getItem("raccourcis") !== "non";
}

const get = (address) => fetch(address).then((answer) => (answer.ok ? answer.text() : null)).catch(() => null);
const read = (html) => new DOMParser().parseFromString(html, "text/html");
const item = (page) => { const found = page.querySelector("[data-item]"); return found && found.dataset.item; };

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!("decision" in form.dataset)) return;
  event.preventDefault();
  const body = new FormData(form, event.submitter);
  const next = body.get("action") === "undo" ? null : ahead;
  const here = location.href;
  const decided = send(form.getAttribute("action"), body); // a field named action hides the property
  const page = next && (await Promise.race([next.page, decided.then(() => null)]));
  if (page) {
    history.pushState(null, "", next.address);
    show(page, true);
  }
  const shown = location.href;
  const answer = await decided;
  const isHere = location.href === shown; // she may have gone on meanwhile
  if (answer.ok && page) {
    announce("Décision enregistrée.");
    if (isHere) correct(answer);
  } else if (answer.ok || isHere) {
    history.pushState(null, "", answer.ok ? answer.address : here);
    show(answer.html, true);
  } else {
    complain(answer, here);
  }
});

// What the page ahead could not know: rows that went with the decision, and what others did meanwhile.
function correct(answer) {
  const found = read(answer.html);
  const editing = document.querySelector("#modifier[open]");
  if (item(found) !== item(document) && !editing) {
    history.replaceState(null, "", answer.address);
    show(answer.html, false);
    return;
  }
  for (const place of ["[data-reste]", "[data-fait]"]) {
    const [old, now] = [document.querySelector(place), found.querySelector(place)];
    if (old && now && old.textContent !== now.textContent) old.textContent = now.textContent;
  }
}

function send(address, body) {
  const run = async () => {
    try {
      const answer = await fetch(address, { method: "POST", body });
      return { ok: answer.ok, address: answer.url, html: await answer.text() };
    } catch {
      const sentence = "Le service ne répond pas : la décision n'est pas enregistrée. La reprendre dans un instant.";
      return { ok: false, address, html: `<main id="contenu" tabindex="-1"><p class="refus" role="alert">${sentence}</p></main>` };
    }
  };
  sent = sent.then(run);
  return sent;
}

// A decision that was refused after the person had gone on: told above the question that she looks at now.
function complain(answer, where) {
  const found = read(answer.html).querySelector("[role=alert]");
  tellAbove(found ? found.textContent : "La décision précédente a été refusée.", where, "Revoir cette question");
}

function tellAbove(sentence, where, words) {
  const told = document.createElement("p");
  told.className = "refus";
  told.setAttribute("role", "alert");
  const link = document.createElement("a");
  link.href = where;
  link.textContent = words;
  told.append(`${sentence} `, link);
  main().prepend(told);
}

// -- keys ------------------------------------------------------------------------------------------------------------

const SAME = { e: "é", E: "é", É: "é" };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest("input:not([type=checkbox]), textarea, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (localStorage.getItem("raccourcis") === "non") return;
  const key = SAME[event.key] || event.key.toLowerCase();
  const target = [...document.querySelectorAll("[data-touche]")].find((one) => one.dataset.touche === key);
  if (!target || target.disabled) return;
  event.preventDefault();
  if (!event.repeat) target.click(); // a key that is held down decides once
});

// To another question, without loading everything anew.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[rel=next][data-touche], a[rel=prev][data-touche]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const html = await get(link.href);
  if (!html) { location.href = link.href; return; }
  if (!link.isConnected) return; // something else is shown by now
  history.pushState(null, "", link.href);
  show(html, true);
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-ouvre]");
  if (!opener) return;
  const place = document.getElementById(opener.dataset.ouvre);
  place.open = true;
  place.scrollIntoView({ block: "nearest" });
  place.querySelector("input:not([type=hidden]), textarea").focus();
});

document.addEventListener("change", (event) => {
  if (event.target.type === "file") chosen(event.target);
  if ("envoie" in event.target.dataset) event.target.form.requestSubmit();
  if ("raccourcis" in event.target.dataset) localStorage.setItem("raccourcis", event.target.checked ? "oui" : "non");
});

window.addEventListener("popstate", refresh);
const current = document.querySelector("nav [aria-current]"); // on a phone the pages' names are wider than it
if (current) current.scrollIntoView({ block: "nearest", inline: "nearest" });
prepare();
follow();
