"""Cutting text into passages: nothing lost, nothing changed, headings right."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lamina.importing.markdown import front_matter, passages

LINES = st.sampled_from(
    [
        "",
        "  ",
        "text",
        "more text",
        "# One",
        "## Two",
        "### Three",
        "#none",
        "```",
        "~~~",
        "````",
        "- item",
        "    code",
        "---",
        "#",
        "# ",
    ]
)


@given(st.lists(LINES, max_size=30), st.booleans(), st.sampled_from([1, 20, 1000]))
def test_every_line_is_in_one_passage_in_order(lines: list[str], markdown: bool, section: int) -> None:
    found = list(passages("\n".join(lines), markdown, section))
    kept = [line for passage in found for line in passage.text.split("\n") if line.strip()]
    assert kept == [line for line in lines if line.strip()]
    assert all(passage.text.strip() for passage in found)


@given(st.text(max_size=200), st.booleans())
def test_passages_are_verbatim(text: str, markdown: bool) -> None:
    assert all(passage.text in text for passage in passages(text, markdown))


def test_a_long_section_is_cut_at_paragraphs_and_keeps_its_headings() -> None:
    long = "word " * 50
    text = f"# Trip\n\nintro\n\n## Food\n\n{long}\n\n{long}\n\n## Rest\nshort"
    found = list(passages(text, section=300))
    assert [passage.headings for passage in found] == [("Trip",), ("Trip", "Food"), ("Trip", "Food"), ("Trip", "Rest")]
    assert found[1].text == f"## Food\n\n{long}"
    assert found[2].text == long


def test_code_is_not_cut_and_its_comments_are_no_headings() -> None:
    text = "Before:\n```sh\n# a comment\n\nls\n```\n\nAfter."
    assert [passage.text for passage in passages(text, section=1)] == ["Before:\n```sh\n# a comment\n\nls\n```", "After."]


def test_a_heading_without_a_body_goes_with_the_deeper_one() -> None:
    found = list(passages("# A\n\n## B\n\ntext\n\n# C\n# D\ntext"))
    assert [(passage.text, passage.headings) for passage in found] == [
        ("# A\n\n## B\n\ntext", ("A", "B")),
        ("# C", ("C",)),
        ("# D\ntext", ("D",)),
    ]


def test_plain_text_has_paragraphs_only() -> None:
    assert [passage.text for passage in passages("# one\nline\n\ntwo", markdown=False)] == ["# one\nline", "two"]


def test_front_matter_that_is_never_closed_is_text() -> None:
    assert front_matter("---\ntitle: x\n") == ({}, "---\ntitle: x\n")
    assert front_matter('---\ntitle: "A: b"\n- list\n---\nBody') == ({"title": "A: b"}, "Body")
