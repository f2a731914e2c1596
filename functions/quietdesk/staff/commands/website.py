"""Verbs that need what makes the website: posters, and what the translations lack."""

import argparse
from pathlib import Path

from quietdesk.city import Center, City
from quietdesk.errors import BadCity, QuietdeskError
from quietdesk.settings import Settings
from quietdesk.staff.commands.terminal import Here


def poster(at: Here, args: argparse.Namespace) -> int:
    """Make a poster, handbills or blank cards as a file."""
    from quietdesk.pages import Pages
    from quietdesk.website.outreach import Sheets

    langs = tuple(dict.fromkeys(filter(None, (args.lang, args.second))))
    tags = [locale.tag for locale in at.city.locales]
    for lang in langs:
        if lang not in tags:
            raise QuietdeskError(f"there are no words in {lang}; there are in: {', '.join(tags)}")
    center = _center_of(at.city, args)
    if args.out.exists() and not args.overwrite:
        raise QuietdeskError(f"there is a file at {args.out} already; --overwrite replaces it")
    styles = Path("site/pages/assets/sheets.css").read_text("utf-8")
    sheet = Sheets(Pages(at.city, (), 1), args.site).file(args.kind, langs, center, styles)
    args.out.write_text(sheet, "utf-8")
    print(f"{args.out} is made. Open it in a browser and print it on Letter or A4 paper.")
    return 0


def _center_of(city: City, args: argparse.Namespace) -> Center | None:
    """The center of a poster or of handbills. Raises QuietdeskError; cards have none."""
    if args.kind == "cards":
        if args.center or args.path:
            raise QuietdeskError(
                "cards are the same for every center; leave out --center and --path"
            )
        return None
    if args.path:
        chosen = [center for center in city.centers if center.path == args.path]
        if len(chosen) != 1:
            raise QuietdeskError(f"{len(chosen)} centers have that path; a poster is for one")
        return chosen[0]
    listed = {center.id: center for center in city.listed}
    if args.center not in listed:
        raise QuietdeskError(f"--center must be one of: {', '.join(listed)}; others have a --path")
    return listed[args.center]


def translations(chosen: Settings, args: argparse.Namespace) -> int:
    """Say what the translations still need, or bring them up to date."""
    from quietdesk.website import faults  # Babel is not on every computer
    from quietdesk.website.translations import Translations

    site = Translations(Path("site"), chosen.city)
    tags = [language.tag for language in site.languages]
    if args.tag and args.tag not in tags:
        raise BadCity(f"languages.yml has no language {args.tag}")
    if args.update:
        for path in site.update():
            print(f"{path} is up to date now.")
        return 0
    print("\n".join(faults.table(site)))
    shown = [language.tag for language in site.languages if not language.draft]
    wanted = [args.tag] if args.tag else shown
    problems = [it for tag in wanted for it in faults.problems(site, tag)]
    if problems:
        print("", *problems, sep="\n")
    return 1 if problems else 0
