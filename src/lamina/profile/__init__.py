"""The profile level: who somebody is."""
