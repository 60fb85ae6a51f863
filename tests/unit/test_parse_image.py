"""The `image` cell: a link that is part of the question, or nothing."""

from __future__ import annotations

import pytest

from worker.steps.parse.values import read_image


@pytest.mark.parametrize(
    ("cell", "image"),
    [
        ("https://exemple.fr/Thorax1.png?v=2", "https://exemple.fr/Thorax1.png?v=2"),
        ("  radio 1.jpg\n", "radio 1.jpg"),
        ('<p><IMG alt="a" src="x/y.png" width=3></p>', "x/y.png"),
        ("<img src=y.png>", "y.png"),
        ("<img src='a b.png'>", "a b.png"),
        ("src=1", "src=1"),
        ("", None),
        ("-", None),
        ("n/a", None),
        ("Non", None),
        ("Pas d'image", None),
        ("aucune", None),
    ],
)
def test_a_link_is_kept_as_written_and_a_placeholder_is_none(cell: str, image: str | None) -> None:
    assert read_image(cell) == image
