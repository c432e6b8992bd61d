"""The authored demo conversation that ships with the package."""
