"""Programs that try to break the project: kills at random moments, damaged files by the hundred thousand."""
