# ruff: noqa: SIM905 - long lists of words are read and edited as text
"""Words, names and numbers of real pages: several languages, countries' ways to write numbers, paths and hosts.

Every list goes through `words.choose`, so one entry in seven is kept back for evaluation.
"""

from __future__ import annotations

import random

from dsvl2_demo.pages import words
from dsvl2_demo.pages.words import Split, ValueKind, choose, digits

ABROAD: dict[ValueKind, tuple[str, ...]] = {
    "amount": tuple(
        "Summe|Zwischensumme|MwSt.|Gesamtbetrag|Rabatt|Rückgeld|Betrag|Versand|Montant|Sous-total|TVA|Total TTC|Remise"
        "|Importe|Descuento|IVA|Totale|Sconto|Suma|Rabat|Totaal|Korting|Beløp|Moms|Zu zahlen|À payer|Préis".split("|")
    ),
    "date": tuple(
        "Datum|Fällig am|Rechnungsdatum|Lieferdatum|Échéance|Date de facture|Fecha|Vencimiento|Data|Scadenza"
        "|Data wystawienia|Termin płatności|Vervaldatum|Forfallsdato|Gültig bis".split("|")
    ),
    "number": tuple("Menge|Anzahl|Seite|Quantité|Cantidad|Quantità|Ilość|Aantal|Antal|Tisch|Zimmer".split("|")),
    "code": tuple(
        "Rechnungsnr.|Kundennr.|Bestellnr.|Aktenzeichen|Vertragsnr.|Référence|N° client|N° de facture|Nº de pedido"
        "|Factura|Numero d'ordine|Numer faktury|Ordernummer|Kontonummer|USt-IdNr.|Kassenbon".split("|")
    ),
    "person": tuple(
        "Kunde|Ansprechpartner|Bediener|Verkäufer|Nom|Client|Vendeur|Nombre|Cliente|Cajero|Klient|Klant|Navn".split("|")
    ),
    "phone": tuple("Telefon|Téléphone|Teléfono|Telefono|Tél.|Telefoon|Handy".split("|")),
    "email": tuple("E-Mail-Adresse|Courriel|Correo|Adres e-mail".split("|")),
    "percent": tuple("Anteil|Taux|Steuersatz|Porcentaje|Aliquota|Stawka".split("|")),
    "time": tuple("Uhrzeit|Heure|Hora|Ora|Godzina|Tijd|Öffnet|Abfahrt".split("|")),
    "word": tuple("Größe|Farbe|Zustand|Couleur|État|Estado|Colore|Stato|Rodzaj|Kleur|Sprache|Langue".split("|")),
    "measure": tuple("Gewicht|Länge|Poids|Hauteur|Peso|Altura|Waga|Lengte|Høyde".split("|")),
    "city": tuple("Stadt|Ort|Ville|Ciudad|Città|Miasto|Plaats|Lieferort|Bahnhof".split("|")),
}

PRODUCTS = (
    "Espresso|Cappuccino|Latte macchiato|Green tea|Orange juice|Mineral water|Croissant|Rye bread|Baguette|Muffin"
    "|Apple cake|Cheesecake|Butter|Whole milk|Yoghurt|Gouda|Feta|Salami|Ham|Eggs (10)|Tomatoes|Cucumber|Potatoes 2kg"
    "|Onions|Bananas|Grapes|Lemons|Avocado|Spinach|Rice 1kg|Spaghetti|Olive oil|Vinegar|Sugar|Flour|Oat flakes|Honey"
    "|Peanuts|Chips|Dark chocolate|Ice cream|Beer 0.5l|Red wine|Cider|Cola 1.5l|Shampoo|Toothpaste|Soap|Batteries AA"
    "|Light bulb|Notebook A5|Pencil set|Stapler|USB cable|Mouse pad|Headphones|Desk lamp|Umbrella|Scarf|T-shirt"
    "|Socks|Jeans|Sandals|Backpack|Paint white|Screws M4|Garden hose|Flower pot|Dog food|Cat litter|Parking|Car wash"
    "|Brötchen|Käse|Müsli|Kartoffelsalat|Weißwein|Fromage|Crème brûlée|Café au lait|Jamón|Piña colada|Żurek|Smørrebrød"
    "|Consulting|Web design|Hosting|Maintenance|Training day|Translation|Installation|Delivery|License|Printing"
    "|Assembly|Travel costs|Support hours|Software update|Photo shoot|Workshop|Hourly rate|Spare part"
).split("|")

SETTINGS = (
    "Dark mode|Notifications|Auto save|Wi-Fi|Bluetooth|Airplane mode|Location|Night light|Auto update|Spell check"
    "|Show hidden files|Sound effects|Vibration|Screen lock|Backups|Sync|Cookies|Pop-ups|Cache|Auto play|Captions"
    "|Read receipts|Two-factor login|Remember me|Hardware acceleration|Line numbers|Word wrap|Caps lock warning|VPN"
    "|Firewall|Power saver|High contrast|Sticky keys|Startup sound|Crash reports|Beta features|Offline mode"
    "|Do not disturb|Start with system|Minimize to tray|Show toolbar|Animations|Telemetry|Auto login|Mouse acceleration"
).split("|")

CHOICES = (
    "Automatic|Manual|Always|Never|Ask every time|High|Medium|Low|System default|English (US)|Deutsch|Français|Español"
    "|1920 x 1080|1280 x 720|60 Hz|144 Hz|A4|Letter|UTF-8|Daily|Weekly|Every hour|After 5 minutes|30 days|Left|Right"
    "|Built-in speakers|HDMI|Landscape|Portrait|Metric|Imperial|Celsius|Custom|Balanced|Best quality|None|All users"
    "|Only me|Everyone|Contacts|DHCP|Static|TCP|UDP|WPA2|Black and white|Color|Serif|Sans|Monospace|Large|Compact"
).split("|")

NETWORK = (
    "Host name|Port|Proxy|Timeout|IP address|Gateway|Subnet mask|DNS server|MAC address|User name|Domain|Path|Folder"
    "|Server|Database|Instance|Workgroup|Device name|Serial number|Version|Build|License key|Log file|Interval|Retries"
    "|Output folder|File name|Template|Refresh rate|Resolution|Max. size|Buffer|Latency|Encoding|Time zone"
).split("|")

TABS = (
    "General|Advanced|Network|Security|Display|Sound|Accounts|Updates|Privacy|About|Keyboard|Mouse|Storage|Printers"
    "|Appearance|Language|Power|Apps|Devices|Search|Fonts|Colors|Plugins|Shortcuts|Proxy|Logs|Editor|Files|Users|Backup"
    "|Overview|Details|History|Permissions|Sharing|Options|Tools|Layout|Allgemein|Erweitert|Netzwerk|Général|Réseau"
).split("|")

MENUS = (
    "File|Edit|View|Insert|Tools|Help|Window|Format|Home|Products|Pricing|About|Contact|Blog|Log in|Sign up|Shop|News"
    "|Docs|Support|Careers|Team|Features|Download|Gallery|Events|Search|Account|Cart|Orders|Dashboard|Reports|Messages"
    "|Profile|Calendar|Tasks|Projects|Inbox|Favorites|Start|Über uns|Kontakt|Accueil|Produits"
).split("|")

MESSAGES = (
    "The file could not be opened.|The connection to the server was lost.|Access is denied.|The disk is full."
    "|The password is not correct.|The operation timed out.|The printer is out of paper.|The update failed."
    "|The device is not ready.|An unexpected error has occurred.|The document contains changes that are not saved."
    "|The file is used by another program.|No network cable is connected.|The license has expired."
    "|The name is already in use.|The image has an unknown format.|Not enough memory to finish this task."
    "|The certificate is not valid.|The page was not found.|The session has ended. Please log in again."
    "|Do you want to save the changes?|Are you sure you want to delete this item?|The backup was completed."
    "|Your payment was declined.|The service is not available at the moment."
).split("|")

ADVICE = (
    "Check the cable and try again.|Contact your administrator.|Close other programs first.|Restart the computer."
    "|Choose another folder.|Please try again later.|Make sure that the file exists.|Free some space and retry."
    "|This cannot be undone.|See the log for details.|Enter the password again.|Install the latest version."
).split("|")

STREETS = (
    "Main Street|Mill Lane|High Street|Park Road|Station Road|Church Lane|Oak Avenue|River Road|King Street|Hill View"
    "|Hauptstraße|Bahnhofstr.|Gartenweg|Lindenallee|Schulstraße|Am Markt|Rue de la Gare|Avenue Foch|Rue du Moulin"
    "|Calle Mayor|Gran Vía|Via Roma|Corso Italia|ul. Długa|Storgata|Kerkstraat|Ringweg|Maple Drive|Elm Court|Bay Street"
).split("|")

COMPANY_ENDS = ("GmbH", "Ltd.", "Inc.", "AG", "S.A.", "LLC", "& Co.", "SARL", "B.V.", "AB", "Group", "Studio", "")

HEADINGS = (
    "Monthly report|Price list|Inventory|Team schedule|Sales by region|Exam results|Train departures|Budget 2026"
    "|Stock overview|Attendance|Time sheet|Contact list|Order history|Quarterly sales|Visitors per day|Energy use"
    "|Temperature|Market share|Survey results|Revenue|Downloads|Bug reports|Website traffic|Rainfall|Population"
    "|Personal details|Shipping address|Payment|Employment|Vehicle|Insurance|Medical history|Travel|Education|Tax data"
    "|Welcome back|New arrivals|Our plans|Latest news|Special offers|Popular courses|Top stories|Recently viewed"
    "|Umsatz pro Monat|Preisliste|Übersicht|Commandes|Résultats|Oferta"
).split("|")

FOLDERS = (
    "Documents Pictures Music Videos Downloads Desktop Projects Backup Archive Invoices Photos Reports src docs build "
    "tests data config logs cache tmp bin lib assets images fonts scripts models notes mail work home shared public"
).split()

STEMS = (
    "report invoice notes photo summary budget draft letter main index setup config readme data backup image scan "
    "slides contract plan list table test script style server client model train export import log readings offer map"
).split()

EXTENSIONS = "pdf txt docx xlsx png jpg zip csv py md json log mp3 mp4 html css pptx tar.gz iso svg toml yml".split()

HOSTS = (
    "orion lyra atlas nova zeus hera apollo vega sirius titan io luna mars comet falcon raven mail db web proxy build "
    "cache auth node gateway printer nas backup router"
).split()

COMMANDS = (
    "git status|git log --oneline|git pull|ls -l|df -h|uname -a|uptime|whoami|pwd|ps aux|make test|make build|pytest -q"
    "|npm install|pip list|cargo build|docker ps|systemctl status|cat notes.txt|ping -c 3 host|top -n 1|free -m|ip addr"
    "|curl -I example.org|ssh admin@server|tar xf data.tar|grep -rn error|tail -n 20 app.log|env|date|hostname"
).split("|")

FLOW_KEYS = (
    "Status Version Uptime Load Users Size Files Errors Warnings Passed Failed Elapsed Memory Threads Address Port "
    "State Owner Commit Branch Target Duration Requests Latency Total Used Free Swap Kernel Host Shell Cache Queue"
).split()

MORE_PROSE = (
    "customer payment account number amount please contact questions service regards attached following received month "
    "delivery product information team company offer price date meeting project review result change support contract "
    "insurance request application provide confirm between before during without because through however already also "
    "report system user data value process using about their there these would could should more most other only over "
    "für und mit der die das ein nicht auch wir Sie Ihre über können möchten grüße les des une avec pour dans vous "
    "notre été très déjà los las una con para por más también usted año señor são não você è più così"
).split()


def label(split: Split, rng: random.Random, kinds: tuple[ValueKind, ...] | None = None) -> words.Label:
    """A label of any of the languages."""
    kind = rng.choice(kinds or tuple(ABROAD))
    draw = rng.random()
    if draw < 0.2:
        return words.Label(choose(ABROAD[kind], split, rng), kind)
    return words.label(split, rng, (kind,), made_up=0.12)


def amount(rng: random.Random, style: int | None = None) -> str:
    """Money as one of several countries writes it; `style` keeps to one of them."""
    style = rng.randrange(14) if style is None else style
    whole = rng.choice((rng.randint(0, 9), rng.randint(10, 99), rng.randint(100, 999), rng.randint(1000, 99999)))
    cents = rng.randint(0, 99)
    english = f"{whole:,}.{cents:02d}"
    dotted = f"{whole:,}".replace(",", ".") + f",{cents:02d}"
    spaced = f"{whole:,}".replace(",", " ") + f",{cents:02d}"
    spellings = {
        4: f"£{english}", 5: f"€{english}", 6: "CHF " + english.replace(",", "'"), 7: f"¥{whole * 10:,}",
        8: f"{dotted} €", 9: f"{dotted} €", 11: dotted, 13: english,
    }  # fmt: skip
    if style == 10:
        return f"{spaced} {rng.choice(('€', 'kr', 'zł', 'Kč'))}"
    if style == 12:
        return f"{english} {rng.choice(('USD', 'EUR', 'GBP'))}"
    return spellings.get(style, f"${english}")


def price(rng: random.Random, style: int) -> str:
    """A small amount in one spelling."""
    plain = ("{0}.{1:02d}", "${0}.{1:02d}", "{0},{1:02d}", "{0},{1:02d} €", "€{0}.{1:02d}", "£{0}.{1:02d}")
    whole = rng.choice((rng.randint(0, 9), rng.randint(1, 30), rng.randint(10, 240)))
    return plain[style % len(plain)].format(whole, rng.choice((rng.randint(0, 99), 50, 99, 0, 95)))


def date(rng: random.Random) -> str:
    """A day, also as other languages write it."""
    if rng.random() < 0.7:
        return words.date(rng)
    day, year = rng.randint(1, 28), rng.randint(2015, 2030)
    month = rng.choice(
        "January March April June July August September October November December Januar März Mai Juni Oktober "
        "Dezember janvier février mars avril juillet août enero marzo julio agosto stycznia maja".split()
    )
    return rng.choice((f"{month} {day}, {year}", f"{day}. {month} {year}", f"{day} {month} {year}", f"{month} {year}"))


def host(split: Split, rng: random.Random) -> str:
    """A machine's name."""
    name = choose(HOSTS, split, rng).lower().strip(" .-") or "io"
    return rng.choice(
        (name, f"{name}-{rng.randint(1, 12)}", f"{name}{rng.randint(1, 99):02d}", f"{name}.{rng.choice(words.DOMAINS)}")
    )


def address_number(rng: random.Random) -> str:
    """An IP address or a part of one."""
    return ".".join(str(rng.choice((10, 192, 168, 172, 127, 255, 0, rng.randint(0, 255)))) for _ in range(4))


def file_name(split: Split, rng: random.Random) -> str:
    """A file's name."""
    stem = choose(STEMS, split, rng).strip(" .-") or "a"
    stem += rng.choice(("", "", "", f"_{rng.randint(1, 30)}", f"-{rng.randint(2018, 2027)}", f" ({rng.randint(1, 9)})"))
    stem = stem.capitalize() if rng.random() < 0.2 else stem
    return f"{stem}.{rng.choice(EXTENSIONS)}"


def path(split: Split, rng: random.Random) -> str:
    """A path on one of several systems."""
    parts = [choose(FOLDERS, split, rng) for _ in range(rng.randint(1, 3))]
    root = rng.choice(("/srv/anna/", "/var/", "/usr/", "C:\\", "D:\\", "~/", "/opt/"))
    return root + ("\\" if ":" in root else "/").join(parts)


def size(rng: random.Random) -> str:
    """How large a file is."""
    return rng.choice(
        (f"{rng.randint(1, 999)} KB", f"{rng.randint(1, 99)}.{rng.randint(0, 9)} MB", f"{rng.randint(1, 999)} B",
         f"{rng.randint(1, 40)}.{rng.randint(0, 9)}G", f"{rng.randint(100, 99999)}", f"{rng.randint(2, 900)} MB")
    )  # fmt: skip


def technical(split: Split, rng: random.Random) -> str:  # noqa: PLR0911 - one answer per kind
    """What stands in the fields of settings."""
    match rng.randrange(12):
        case 0 | 1:
            return host(split, rng)
        case 2:
            return address_number(rng)
        case 3:
            return str(rng.choice((80, 443, 8080, 8443, 22, 5432, rng.randint(1, 65535))))
        case 4:
            return path(split, rng)
        case 5:
            return f"{rng.randint(1, 90)} {rng.choice(('s', 'ms', 'min', 'MB', 'GB', 'px', 'Hz', 'days', '%'))}"
        case 6:
            return f"{rng.randint(0, 12)}.{rng.randint(0, 30)}.{rng.randint(0, 99)}"
        case 7:
            return file_name(split, rng)
        case 8:
            return "-".join(digits(4, rng) for _ in range(rng.randint(2, 4)))
        case 9:
            return ":".join(f"{rng.randrange(256):02x}" for _ in range(6)).upper()
        case _:
            return choose(CHOICES, split, rng)


def value(kind: ValueKind, split: Split, rng: random.Random) -> str:
    """A value of a kind as a real page has it."""
    if rng.random() < 0.12:
        return words.made_up_word(split, rng)
    if kind == "amount":
        return amount(rng)
    if kind == "date":
        return date(rng)
    return words.value(kind, split, rng)


def error_code(rng: random.Random) -> str:
    """As programs print them."""
    return rng.choice(
        (f"0x{rng.getrandbits(32):08X}", f"0x{rng.getrandbits(16):04x}", f"E-{digits(4, rng)}", f"ERR_{digits(3, rng)}",
         digits(3, rng), f"{rng.choice('ABCDEFX')}{digits(4, rng)}", f"-{digits(3, rng)}",
         f"{digits(2, rng)}.{digits(2, rng)}")
    )  # fmt: skip


def company(split: Split, rng: random.Random) -> str:
    """A firm's name."""
    name = choose(words.VENDORS, split, rng) if rng.random() < 0.6 else choose(words.LAST_NAMES, split, rng)
    return f"{name} {rng.choice(COMPANY_ENDS)}".strip()


def street(split: Split, rng: random.Random) -> str:
    """A street with a number."""
    name = choose(STREETS, split, rng)
    return f"{name} {rng.randint(1, 240)}" if rng.random() < 0.5 else f"{rng.randint(1, 240)} {name}"


def town(split: Split, rng: random.Random) -> str:
    """A postal code and a town."""
    return f"{digits(rng.choice((4, 5, 5)), rng)} {choose(words.CITIES, split, rng)}"


def prose_word(split: Split, rng: random.Random) -> str:
    """A word of running text."""
    draw = rng.random()
    if draw < 0.12:
        return words.made_up_word(split, rng).lower()
    return choose(words.PROSE if draw < 0.55 else MORE_PROSE, split, rng)


def phrase(split: Split, rng: random.Random, fewest: int, most: int) -> str:
    """A few words, the first with a capital letter."""
    text = " ".join(prose_word(split, rng) for _ in range(rng.randint(fewest, most)))
    return text[:1].upper() + text[1:]
