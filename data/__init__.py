"""The sample corpus and analogy set of the project."""
