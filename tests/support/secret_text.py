"""What of a secret tells it from others, for looking whether it stands where it must not."""


def telling(secret: str) -> str:
    """The secret without space around it; of a PEM block the first line below its frame."""
    text = secret.strip()
    return text.splitlines()[1] if text.startswith("-----BEGIN") else text
