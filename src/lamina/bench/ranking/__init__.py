"""Measuring rankings: collections with questions, systems that rank, baselines, fitting and scores."""
