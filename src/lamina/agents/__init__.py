"""Programs made of the rooms below: loops over a language model, and the worlds they are tried in."""
