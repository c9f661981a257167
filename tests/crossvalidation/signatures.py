"""Signature files in which all that is known of one program is switched off."""
import re

from programs import OWN_PROTOCOLS, names_of

RECORD = re.compile(r"^  - name:.*?(?=^  - name:|\Z)", re.M | re.S)
FIELD = re.compile(r"^\s+(?:- )?(\w+): *(.*?) *$", re.M)


def fields_of(text):
    return {key: value.strip("'\"") for key, value in FIELD.findall(text)}


def is_tied(record, protocol, program, strict):
    """Whether the signature is known from this program: it names the program, or (strict) its own protocol."""
    named = re.split(r", *", record.get("program", "any"))
    if any(re.match(rf"{re.escape(name)}\b", one, re.I) for one in named for name in names_of(program)):
        return True
    return strict and protocol in OWN_PROTOCOLS.get(program, ())


def write_without(program, signature_folder, out_folder, strict):
    """Writes files that switch the program's signatures off; returns their names."""
    names = []
    for path in sorted(signature_folder.glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        head = text[:text.index("signatures:")]
        default = fields_of(head).get("protocol", "")
        off = []
        for match in RECORD.finditer(text):
            fields = fields_of(match.group())
            if is_tied(fields, fields.get("protocol", default), program, strict):
                names.append(fields["name"])
                off.append(match.group().rstrip() + "\n    enabled: false\n")
        if off:
            (out_folder / path.name).write_text(head + "signatures:\n" + "\n".join(off), encoding="utf-8")
    return names
