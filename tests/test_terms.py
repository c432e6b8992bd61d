"""Terms: stems and stopwords by language, their hashes, and what must not change."""

from __future__ import annotations

import hashlib
import itertools
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.cli.demo.material import load_material
from lamina.errors import ConfigError
from lamina.terms import (
    analyser_name,
    check_language,
    hash_bytes,
    hash_of,
    language_of,
    languages,
    spoken_terms,
    term_hashes,
    terms,
)
from lamina.text import fold

DEMO = "1ffc9d7b1527b7d7c318723d949cb773f9fc5c48fb92df416941966906803dcf"
"""SHA-256 of the stored terms of the demo conversation, messages then questions, as "snowball-english/2" made them."""

FORMS = {
    "german": "häuser haus hauses|bücher buch buches|gärten garten|schlüssel schlüssels|kinder kind kindes|straßen straße"
    "|gespräche gespräch gesprächen|größer größe|lösung lösungen|früher frühere|gekauft kaufen kaufte|ärztin ärztinnen",
    "french": "étudiants étudiante étudier|mangé manger mangée|élève élèves|arrivée arriver arrivés|général générale"
    "|préféré préférer préférée|chevaux cheval|décision décisions décider|école écoles|fatiguée fatigué|réunion réunions",
    "spanish": "canción canciones|habitación habitaciones|árboles árbol|comió comer comía|médico médica médicos|jardín jardines"
    "|rápido rápidamente|reunión reuniones|compré comprar compraba|inglés ingleses|corazón corazones",
    "italian": "lavorò lavorare lavorava|canzone canzoni|mangiò mangiare|studenti studente|partirò partire|felicità felice"
    "|comprò comprare|giardini giardino",
    "russian": "книга книги книгу|новый новая новое|синий синяя|читать читал читала|музей музея музеи|трамвай трамвая"
    "|ребёнок ребёнка|жёлтый жёлтая|комната комнаты комнатой|последний последняя последней",
    "swedish": "hästar häst hästen|läkare läkaren|frågor fråga frågan|kläder kläderna|månader månad|språket språk",
    "finnish": "talossa talo talon|päivänä päivä päivän|kylässä kylä kylän|työtä työ työn|ystävät ystävä ystävän|metsässä metsä",
    "turkish": "evler ev evde|gözler göz gözü|çocuklar çocuk|köpekler köpek köpeği|müdürü müdür|arkadaşlarım arkadaş arkadaşım"
    "|şehirde şehir|ışıklar ışık|kızlar kız",
}
"""Forms of one word between bars, as they are written."""


def test_the_terms_of_english_are_what_they_were() -> None:
    material = load_material()
    digest = hashlib.sha256()
    for text in (*material.lines.values(), *(question.text for question in material.questions)):
        digest.update(hash_bytes(text) + b"|")
    assert digest.hexdigest() == DEMO


def joined(term: Callable[[str, str], str]) -> float:
    """The share of pairs of forms that become one term."""
    pairs = [
        (language, one, other)
        for language, groups in FORMS.items()
        for group in groups.split("|")
        for one, other in itertools.combinations(group.split(), 2)
    ]
    return sum(term(one, language) == term(other, language) for language, one, other in pairs) / len(pairs)


def test_stemming_in_the_language_joins_forms_and_best_with_the_accents_left_on() -> None:
    def ours(word: str, language: str) -> str:
        (term,) = terms(word, language)
        return term

    def folded_first(word: str, language: str) -> str:
        return ours(fold(word), language)

    unstemmed = joined(lambda word, language: ours(word, "none"))
    english = joined(lambda word, language: "".join(terms(word)))
    assert unstemmed < 0.02
    assert english < 0.35
    assert joined(folded_first) > 0.7
    assert joined(ours) > joined(folded_first) + 0.08


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("english", "The girls were singing", ["girl", "sing"]),
        ("none", "The girls were singing", ["the", "girls", "were", "singing"]),
        ("none", "l'école d'Élodie", ["l'ecole", "d'elodie"]),
        ("french", "L'école d’Élodie", ["l", "ecol", "d", "elod"]),
        ("turkish", "İzmir'de evlerde", ["izmir", "de", "ev"]),
        ("german", "Die Häuser in Zürich", ["die", "haus", "in", "zurich"]),
        ("german", "猫を飼う", ["猫を", "を飼", "飼う", "猫", "飼"]),
        ("russian", "Музеи Москвы and museums", ["муз", "москв", "and", "museums"]),
    ],
)
def test_a_language_has_its_own_stems_and_only_english_its_stopwords(language: str, text: str, expected: list[str]) -> None:
    assert terms(text, language) == expected


@pytest.mark.parametrize("language", ["english", "german", "arabic", "hindi", "greek", "none"])
@given(text=st.text(st.characters(), max_size=60))
def test_every_term_has_its_hash_whatever_the_composition(language: str, text: str) -> None:
    hashes = term_hashes(text, language).tolist()
    assert len(hashes) == len(terms(text, language))
    assert 0 not in hashes
    assert [hash_of(word, language) for word in spoken_terms(text, language).values()] == list(dict.fromkeys(hashes))
    assert list(spoken_terms(text, language)) == list(dict.fromkeys(terms(text, language)))
    assert term_hashes(unicodedata.normalize("NFD", text), language).tolist() == hashes
    assert term_hashes(unicodedata.normalize("NFC", text), language).tolist() == hashes


@pytest.mark.parametrize("language", languages())
def test_a_language_is_known_again_by_the_name_of_its_analysis(language: str) -> None:
    assert language_of(analyser_name(language)) == check_language(language) == language


@pytest.mark.parametrize("language", ["klingon", "English", "", "en"])
def test_an_unknown_language_names_the_known_ones(language: str) -> None:
    with pytest.raises(ConfigError, match=r"use one of arabic, .*english, .*none"):
        check_language(language)
    with pytest.raises(ConfigError, match="no language"):
        terms("text", language)


@pytest.mark.parametrize("analyser", [None, "", "runes/1", "snowball-english", "none", "snowball-/4"])
def test_a_name_that_is_none_of_ours_means_english(analyser: str | None) -> None:
    assert language_of(analyser) == "english"
