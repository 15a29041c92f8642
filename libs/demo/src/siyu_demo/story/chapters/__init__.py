"""The chapters of the story, one file each."""
