"""How good the suggestions of `flatsort review` are, with ground truth in the place of the person who answers."""
