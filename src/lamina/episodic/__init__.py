"""The episodic level: what happened, and how it is forgotten.

`forgetting` fades traces along an Ebbinghaus curve that recall flattens; `layers` lets shallow, intermediate and deep
memories decay at their own speeds and climb on feedback. Both are `lamina.algorithms.strength.ForgettingPolicy`.
"""
