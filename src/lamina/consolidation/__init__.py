"""Moving up: the stages that derive each level from the one below, and building everything anew."""
