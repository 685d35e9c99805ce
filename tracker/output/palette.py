"""The colours of identities: the same in the video, on sheets and on pages.

Ten colours that people with any kind of colour vision tell apart. Found by a search for ten sRGB colours, neither too
dark nor too light for a bright or a dark page, of which the two most alike lie as far apart as possible in CIELAB under
normal, protan, deutan and tritan vision (Machado et al., A Physiologically-based Model for Simulation of Color Vision
Deficiency, 2009): 28 apart at least, where Okabe and Ito's seven, the usual choice, have 16. After ten identities the
colours come again; two that follow each other are 38 apart. The number is written beside the colour everywhere.
"""

from __future__ import annotations

Colour = tuple[int, int, int]  # blue, green, red

PALETTE = (
    "#872dc3",
    "#ff0000",
    "#00f0e1",
    "#a51e87",
    "#690fff",
    "#ffc378",
    "#b41e2d",
    "#a5f000",
    "#ff78ff",
    "#1ea578",
)


def css_colour(track: int) -> str:
    """The colour of an identity on a page.

    Example:
        >>> css_colour(1), css_colour(11), css_colour(2)
        ('#872dc3', '#872dc3', '#ff0000')
    """
    return PALETTE[(track - 1) % len(PALETTE)]


def colour_of(track: int) -> Colour:
    """The same for OpenCV.

    Example:
        >>> colour_of(2)
        (0, 0, 255)
    """
    red, green, blue = bytes.fromhex(css_colour(track)[1:])
    return blue, green, red


def ink_on(colour: Colour) -> Colour:
    """Black or white, whichever is read better on a colour: WCAG's contrast, from relative luminance.

    Example:
        >>> ink_on((0, 0, 255)), ink_on(colour_of(1))
        ((0, 0, 0), (255, 255, 255))
    """
    linear = [(part / 255 / 12.92) if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour]
    luminance = 0.0722 * linear[0] + 0.7152 * linear[1] + 0.2126 * linear[2]
    return (0, 0, 0) if (luminance + 0.05) ** 2 > 1.05 * 0.05 else (255, 255, 255)
