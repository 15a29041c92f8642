"""A simulated broker quarter, its ground truth, and the story told over it."""
