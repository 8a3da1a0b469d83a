"""Text in one line, for messages."""


def one_line(text: str) -> str:
    """The text with every run of white space as one blank."""
    return " ".join(text.split())
