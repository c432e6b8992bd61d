"""The picture of folding is what the code draws now."""

from __future__ import annotations

import importlib.util

from tests.docs.pages import ROOT


def test_the_picture_of_folding_is_up_to_date() -> None:
    path = ROOT / "docs" / "folding_picture.py"
    specification = importlib.util.spec_from_file_location("folding_picture", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    whole, folded = module.prompts()
    assert "retrieve" not in folded[1]
    drawn = module.picture(whole, folded)
    assert module.TARGET.read_text(encoding="utf-8") == drawn, "run `python docs/folding_picture.py`"
