"""The shipped closed-form descriptor, fitted on rendered people: `python -m tools.statistics`."""
