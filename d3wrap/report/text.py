"""Text that came from elsewhere, made safe for Markdown and LaTeX."""

from __future__ import annotations

import re

LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\texttt{\char34}", "'": r"\textquotesingle{}", "`": r"\textasciigrave{}", "-": "-{}",
    "−": "$-$", "±": r"$\pm$", "→": r"$\to$", "γ": r"$\gamma$", "³": r"\textsuperscript{3}", "–": "--", "…": r"\dots{}",
}  # fmt: skip
"""What stands for characters that LaTeX takes as commands or joins, or that its plain fonts lack."""


def one_line(text: str) -> str:
    """Return ``text`` with line breaks and other control characters as spaces."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).strip()


def latex(text: str) -> str:
    """Return ``text`` for the body of a LaTeX document, where it prints as itself and commands nothing."""
    return "".join(LATEX.get(letter, letter) for letter in one_line(text))


def markdown(text: str) -> str:
    """Return ``text`` for Markdown, in a table too, where it prints as itself: no HTML, link, code or new cell."""
    escaped = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return (
        re.sub(r"([\\`*_{}\[\]#!|~$])", r"\\\1", escaped)
        .replace("://", "&#58;//")
        .replace("@", "&#64;")
        .replace("www.", "www&#46;")
    )
