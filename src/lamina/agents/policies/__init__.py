"""Policies that know nothing but the prompt: planners in the place of a language model, to try memories of prompts with."""
