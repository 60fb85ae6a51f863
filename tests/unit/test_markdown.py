"""Markdown is read as its rendered page is: no mark of any dialect stays, no word is lost, a formula stands once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.courses.chunk import chunk_document
from worker.courses.extract import extract_document
from worker.courses.extract.directives import LONGEST, PART
from worker.courses.extract.formulas import read_tex
from worker.courses.extract.markdown import TOO_DEEP
from worker.errors import UsageError


def read(text: str, name: str = "a.md") -> list[str]:
    (page,) = extract_document(Path(name), text.encode()).pages
    return [("# " if line.is_heading else "") + line.text for line in page.lines if line.text.strip()]


def test_blocks_that_would_be_passed_over_are_refused() -> None:
    def nested(depth: int) -> str:
        return "\n".join("  " * level + f"- niveau {level}" for level in range(depth))

    assert len(read(nested(19))) == 19
    with pytest.raises(UsageError) as caught:
        read(nested(20))
    assert str(caught.value) == TOO_DEEP


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("&laquo; La machine &raquo; &amp; R&D", ["« La machine » & R&D"]),
        ("C<sub>m</sub> de 10<sup>9</sup>/L, <u>Ex</u><!-- à revoir -->", ["Cm de 10⁹/L, Ex"]),
        ("Un<br>deux", ["Un", "deux"]),
        ("***\n# Chapitre 10 : Prix, <br>le monopole\n***\n- Un", ["# Chapitre 10 : Prix, le monopole", "- Un"]),
        ('![Ada.jpg](Ada.jpg){: style="width:30%;" title="Ada"}\n\nVers 1842', ["Vers 1842"]),
        ("![[Pasted image 2023.png|center|400]] Vu", ["Vu"]),
        ("![Image 3](img/03.png) Vu ![Coupe du rein gauche](a.png)", ["Vu Coupe du rein gauche"]),
        ("Le texte{: .rouge} et *ceci*{: #left} {.center}", ["Le texte et ceci"]),
        ("## Titre {#sec-1 .unnumbered}\n\nMot", ["# Titre", "Mot"]),
        ("La {==machine==} et ==le *reste*== ; a == b", ["La machine et le reste ; a == b"]),
        ("***Gras*** `code` ~~rayé~~ _souligné_ Q*\\*", ["Gras code rayé souligné Q**"]),
        ("longueurs d\\'onde \\*vraies\\*", ["longueurs d'onde *vraies*"]),
        ("donc \\&laquo; lue &raquo; \\", ["donc « lue »"]),
        ("[la page](http://x.fr \"t\") et [ici][1] <http://y.fr>\n\n[1]: http://z.fr", ["la page et ici http://y.fr"]),
        ("cf. [[Chapitre 9#<u>VI</u>|chap. 9]], [[Dossier/Rein]]", ["cf. chap. 9, Rein"]),
        ("Le flux [^25] part.\n\n[^25]: C'est *lui*.", ["Le flux [25] part.", "[25] C'est lui."]),
        ("Vu par Wien {cite}`wien1894`, le {index}`quanta`.", ["Vu par Wien, le quanta."]),
        ("Voir {ref}`la loi <eq-loi>` et {numref}`fig-1` ici, H{sub}`2`O", ["Voir la loi et ici, H₂O"]),
        ("- Passeport\n Pour les étrangers :\n- Visa", ["- Passeport", "Pour les étrangers :", "- Visa"]),
        ("```{note} Attention\n:class: dropdown\n\nLa *dose*.\n```\nAprès", ["Attention", "La dose.", "Après"]),
        ("```{math}\n:label: eq-1\n\\frac{1}{\\lambda} = R\n```", ["1/λ = R"]),
        ("```{figure} media/a.jpg\n:name: f\n:alt: x\nLa légende\n```", ["La légende"]),
        (":::{admonition} Exercice\n:class: tip\nPourquoi ?\n:::\nSuite", ["Exercice", "Pourquoi ?", "Suite"]),
        ("::: warning\nDanger\n:::", ["Danger"]),
        ('!!! note "Audits"\n\t- un\n\t- deux\n\nAprès', ["Audits", "- un", "- deux", "Après"]),
        ("??? tip\n    Un\n\n    Deux\nTrois", ["Un", "Deux", "Trois"]),
        ('=== "Adulte"\n\n    1 g\n\n=== "Enfant"\n\n    15 mg/kg', ["Adulte", "1 g", "Enfant", "15 mg/kg"]),
        ("> [!NOTE] Titre\n> Texte", ["Titre", "Texte"]),
        ("(ma-cible)=\n# Titre\n\n[TOC]\n\nMot", ["# Titre", "Mot"]),
        ("{% include a.html %}{{ page.title }}Vu {{< figure src=\"a.png\" caption=\"Le rein\" >}}", ["Vu Le rein"]),
        ("| a | b |\n|:--|--:|\n| 1 | **2** |", ["a | b", "1 | 2"]),
        ("| a | b |\n| 1 | **2** |", ["a | b", "1 | 2"]),
        ("- [ ] à faire\n- [x] fait", ["- à faire", "- fait"]),
        ("Terme\n: sa définition", ["Terme", "sa définition"]),
        ("---\ntitle: x\n---\nMot", ["Mot"]),
        ("Titre\n=====\nMot", ["# Titre", "Mot"]),
        ("Une phrase\nqui va à la ligne.\n---\nMot", ["Une phrase qui va à la ligne.", "Mot"]),
        ("Avant\n```python\nx = '*a*' # {b}\n```", ["Avant", "x = '*a*' # {b}"]),
        ("définies. En\n1885, J. Balmer\n12. est lu", ["définies. En 1885, J. Balmer 12. est lu"]),
        ("- Prise\nPour les étrangers :\n- Passeport\n  3. a", ["- Prise", "Pour les étrangers :", "- Passeport 3. a"]),
        ("3. trois\n4. quatre", ["3. trois", "4. quatre"]),
        ("dose $\\alpha$ de $10^{-8}$ m, $n$ lancers", ["dose α de 10⁻⁸ m, n lancers"]),
        ("coûte 5 $ ou 10 $ de plus, $ a $", ["coûte 5 $ ou 10 $ de plus, $ a $"]),
        ("$$\nE = \\frac{hc}{\\lambda}\n$$", ["E = hc/λ"]),
        ("CD4^+^ et H~2~O, 10^9-10^12 et ~5", ["CD4⁺ et H₂O, 10^9-10^12 et ~5"]),
        ("- Voir la [goutte]({% link _posts/goutte.md %}) et [ici]({{ site.url }}/a)", ["- Voir la goutte et ici"]),
        ("<ma-boite titre=\"x\">\n\nMot\n\n</ma-boite>\n## Suite\n\nFin", ["Mot", "# Suite", "Fin"]),
        ('Vu\n{{%box "Suivi" %}}\n- IRM\n{{% /box %}}\n{{< yt "x1" >}}\nFin', ["Vu", "# Suivi", "- IRM", "Fin"]),
        ("<div>\n# Titre\n\n</div>", ["# Titre"]),
        ("```\n<div>\n# non\n[a]({{ b }})\n```", ["<div>", "# non", "[a]({{ b }})"]),
        ("L'ion <Na> et p <0,05", ["L'ion <Na> et p <0,05"]),
    ],
)  # fmt: skip
def test_a_mark_is_read_as_the_rendered_page_shows_it(source: str, shown: list[str]) -> None:
    assert read(source) == shown


def test_a_first_title_is_the_heading_of_its_passage() -> None:
    text = "***\n# Chapitre 10 : Le marché, <br>le monopole\n***\n- Un vendeur fait face à des acheteurs.\n"
    (chunk,) = chunk_document(extract_document(Path("a.md"), text.encode()))

    assert chunk.heading == "Chapitre 10 : Le marché, le monopole"


@pytest.mark.parametrize(
    ("tex", "line"),
    [
        (r"\frac{1}{6}", "1/6"),
        (r"\frac12 x^2 \frac{a+b}{c}", "1/2 x² (a+b)/c"),
        (r"R = 1,097 \times 10^{7} m^{- 1}", "R = 1,097 × 10⁷ m⁻¹"),
        (r"\lambda_{\max} = \dfrac{b}{T}", "λmax = b/T"),
        (r"\text{ddl} = 6 - 1 = 5 .", "ddl = 6 - 1 = 5 ."),
        (r"\sum_{i=1}^{n} x_i \leq \sqrt{x+1}", "∑_(i=1)ⁿ xi ≤ √(x+1)"),
        (r"37^\circ C \ge 5 \%, x^\alpha", "37°C ≥ 5 %, x^α"),
        (r"\inconnu{z} {", "inconnu z"),
    ],
)
def test_a_formula_is_a_line_that_can_be_read(tex: str, line: str) -> None:
    assert read_tex(tex) == line


MATHML = "<mfrac><mn>1</mn><mn>6</mn></mfrac>"
ANNOTATION = r"<annotation encoding='application/x-tex'>\frac{1}{6}</annotation>"
NOTED = f"<math><semantics>{MATHML}{ANNOTATION}</semantics></math>"


@pytest.mark.parametrize(
    "formula",
    [
        f"<math>{MATHML}</math>",
        NOTED,
        (
            f"<span class='katex'><span class='katex-mathml'>{NOTED}</span><span class='katex-html' aria-hidden='true'>"
            "<span>1</span><span>6</span></span></span>"
        ),
        (
            "<span class='MathJax_Preview'>1/6</span><span class='MathJax'><nobr aria-hidden='true'><b>16</b></nobr>"
            f"<span class='MJX_Assistive_MathML'><math>{MATHML}</math></span></span><script type='math/tex'>x</script>"
        ),
        (
            "<mjx-container class='MathJax'><mjx-math aria-hidden='true'><mjx-mn>16</mjx-mn></mjx-math>"
            f"<mjx-assistive-mml><math>{MATHML}</math></mjx-assistive-mml></mjx-container>"
        ),
        r"<span class='math inline'>\(\frac{1}{6}\)</span>",
    ],
)
def test_a_formula_of_a_web_page_stands_once(formula: str) -> None:
    assert read(f"<p>La face a la probabilité {formula} ici.</p>", "a.html") == ["La face a la probabilité 1/6 ici."]


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("<details><summary>Corrigé</summary>La dose</details>", ["Corrigé", "La dose"]),
        ("<h1>Un<br>deux</h1><p>a<br>b</p>", ["# Un deux", "a", "b"]),
        ("<table><tr><td>" + "mot " * 300 + "fin</td><td>Début</td></tr></table>", ["mot " * 300 + "fin Début"]),
    ],
)
def test_words_of_two_blocks_are_two(page: str, shown: list[str]) -> None:
    assert read(page, "a.html") == shown


WORDS = st.lists(st.sampled_from(["rein", "dose", "œdème", "12", "10⁹", "β-bloquant", "été"]), min_size=1, max_size=5)
MARKS = st.sampled_from(
    (
        "{}", "**{}**", "_{}_", "`{}`", "=={}==", "[{}](x.html)", "[[x|{}]]", "<u>{}</u>", "{{=={}==}}", "~~{}~~",
        "# {}", "- {}", "1. {}", "> {}", "| {} | b |", "    {}", '!!! note "{}"', ":::{{note}} {}\nb\n:::",
        "```{{tip}}\n{}\n```",
        "```\n{}\n```", "{}\n---", "{}{{: .c}}", "{{index}}`{}`", "![voir {}](a.png)", "a\n: {}", "[^1]: {}", "{}<br>",
        "\\*{}", "*{}", "<p>{}</p>",
    )
)  # fmt: skip


@given(st.lists(st.tuples(MARKS, WORDS, st.sampled_from(["\n", "\n\n", "\n    "])), min_size=1, max_size=12))
@example([("> {}", ["rein"], "\n")] * 30)
def test_no_word_of_the_rendered_text_is_lost(parts: list[tuple[str, list[str], str]]) -> None:
    """Of whatever marks follow each other, closed or not: each word is there, as often, in its order."""
    source = "".join(mark.format(" ".join(words)) + after for mark, words, after in parts)
    known = [word for _, words, _ in parts for word in words]

    shown = " ".join(read(source))

    at = 0
    for word in known:
        at = shown.find(word, at)
        assert at >= 0, (source, shown)
        at += len(word)


def test_a_long_document_is_read_in_parts_and_loses_nothing() -> None:
    paragraph = "Le rein filtre [ici][1] le sang.\n\n- un\n- deux\n\n"
    source = (
        paragraph * (3 * PART // len(paragraph)) + "```\n" + "x *y*\n" * (2 * LONGEST // 6) + "```\n\n[1]: a.html\n"
    )

    shown = read(source)

    assert shown.count("Le rein filtre ici le sang.") == source.count("filtre")
    assert shown.count("x *y*") == source.count("x *y*")
    assert len(shown) == 3 * source.count("filtre") + source.count("x *y*")
