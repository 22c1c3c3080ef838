"""Writes paths.json: request paths that try to leave a rule, each with the verdict.

The verdict follows from how a path is made, not from the code that is tested.
"""

import itertools
import json
import pathlib

RULES = {
    "allow": [
        "GET /public/[^/]+",
        {"methods": ["GET"], "path": "/public/tree/**"},
        "GET /projects/[^/]+/issues",
    ],
    "deny": ["* /public/secret", "* /public/secret/.*"],
}

cases: dict[tuple[str, str], dict[str, object]] = {}


def case(path: str, verdict: str, reason: str = "", **options: bool) -> None:
    entry: dict[str, object] = {"path": path, "verdict": verdict}
    if reason:
        entry["reason"] = reason
    if options:
        entry["options"] = options
    cases.setdefault((path, json.dumps(options)), entry)


def refused(path: str, reason: str, **options: bool) -> None:
    case(path, "refused", reason, **options)


def encoded(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def twice(text: str) -> str:
    return text.replace("%", "%25")


DOT = [".", "%2e", "%2E"]
DOT_DOT = [a + b for a, b in itertools.product(DOT, DOT)]
SLASH = ["/", "%2f", "%2F"]
BACKSLASH = ["\\", "%5c", "%5C"]

# Leaving the rule upwards, by every spelling of dots and separators.
for before, dots, after in itertools.product(SLASH + BACKSLASH, DOT_DOT, SLASH + BACKSLASH):
    kind = "backslash" if {before, after} & set(BACKSLASH) else "dot_segment"
    refused(f"/public{before}{dots}{after}admin", kind)
for dots in DOT + DOT_DOT:
    for path in [f"/{dots}", f"/{dots}/", f"/public/{dots}", f"/public/{dots}/a", f"/public/a/{dots}", f"/{dots}/public/a"]:
        refused(path, "dot_segment")
for dots in ["...", "....", ".. ", ". .", "..%20", ".%20.", "..%20."]:
    path = f"/public/{dots}/admin"
    refused(path, "raw_character" if " " in path else "dot_segment")

# The same, encoded more than once.
for dots in DOT_DOT:
    if "%" in dots:
        for after in ["/", "%2f"]:
            refused(f"/public/{twice(dots)}{after}admin", "encoded_slash" if after == "%2f" else "double_encoded")
        refused(f"/public/{twice(twice(dots))}/admin", "double_encoded")
    for slash in ["%2f", "%2F"]:
        refused(f"/public/a{twice(slash)}{twice(dots)}{twice(slash)}admin", "dot_segment" if "%" not in dots else "double_encoded")
    for slash in ["%5c", "%5C"]:
        refused(f"/public/a{twice(slash)}b{dots}", "double_encoded")
for text in ["%252f", "%252F", "%255c", "%253b", "%253f", "%2523", "%2500", "%250a", "%25c0%25ae", "%25%32%66", "%25%32F", "%2525252e", "%25252f"]:
    refused(f"/public/a{text}b", "double_encoded")
for text in ["%252F", "%252f", "%25%32%66", "%25%32F"]:
    refused(f"/projects/group{text}project/issues", "double_encoded", encodedSlash=True)

# Parameters after a semicolon, which Java servers cut off before they resolve the path.
for dots, semicolon, name in itertools.product(["..", "%2e%2e", ".", "%2E."], [";", "%3b", "%3B"], ["", "a", "a=b"]):
    refused(f"/public/{dots}{semicolon}{name}/admin", "dot_segment")
    refused(f"/public/{dots}{semicolon}{name}/admin", "dot_segment", semicolon=True)
for semicolon in [";", "%3b", "%3B"]:
    refused(f"/public/a{semicolon}b", "semicolon")
    refused(f"/public{semicolon}/a", "semicolon")
    refused(f"/public/{semicolon}/a", "empty_segment", semicolon=True)
    case(f"/public/a{semicolon}v=1", "allowed", semicolon=True)
    case(f"/public/secret{semicolon}v=1", "denied", semicolon=True)
    case(f"/public/{semicolon}v=1", "no_rule", semicolon=True)
    case(f"/admin{semicolon}/public/a", "no_rule", semicolon=True)

# Empty segments.
for path in ["//", "//admin", "///admin", "/public//a", "/public///a", "/public/a//", "//evil.example/public/a", "//public/a", "/public/tree//x"]:
    refused(path, "empty_segment")
case("/public//a", "no_rule", emptySegments=True)
case("//public/a", "no_rule", emptySegments=True)
case("/public/tree//x", "allowed", emptySegments=True)
case("/public//secret", "denied", emptySegments=True)
case("//public///secret//", "denied", emptySegments=True)

# Encoded slashes.
for slash in SLASH[1:]:
    for path in [f"/{slash}admin", f"/public{slash}a", f"/public/a{slash}b", f"{slash}public/a", f"/public/a{slash}"]:
        refused(path, "encoded_slash" if path.startswith("/") else "not_absolute")
    refused(f"/public/a{slash}..{slash}admin", "dot_segment", encodedSlash=True)
    refused(f"/projects/group{slash}../issues", "dot_segment", encodedSlash=True)
    refused(f"/projects/%2e%2e{slash}x/issues", "dot_segment", encodedSlash=True)
    case(f"/projects/group{slash}project/issues", "allowed", encodedSlash=True)
    case(f"/projects/group{slash}project/members", "no_rule", encodedSlash=True)
    case(f"/public{slash}secret", "denied", encodedSlash=True)
    case(f"/public{slash}a", "no_rule", encodedSlash=True)

# ASCII in more bytes than it needs.
for text in ["%c0%ae%c0%ae/admin", "%c0%ae.", "..%c0%af", "%c0%af", "%c1%9c", "%C0%AE", "%e0%80%ae", "%e0%80%af", "%e0%81%9c", "%f0%80%80%ae", "%f0%80%80%af",
             "%f8%80%80%80%ae", "%fc%80%80%80%80%af", "%c0%2e", "%c0%80", "%c1%bf", "%c0", "%c1"]:
    refused(f"/public/{text}", "overlong")
for text in ["%80", "%ff", "%fe", "%bf", "%e2%82", "%ed%a0%80", "%f4%90%80%80", "caf%e9", "%f5%80%80%80"]:
    refused(f"/public/{text}", "not_utf8")

# Control characters, and characters that a path cannot contain.
for code in [*range(0x20), 0x7F]:
    refused(f"/public/a%{code:02x}", "control")
    refused(f"/public/a{chr(code)}b", "raw_character")
for text in ["..%00", "%00..", "secret%00", "a%00.png", "a%0d%0aHost:%20x", "%c2%80", "%c2%85", "%c2%9f"]:
    refused(f"/public/{text}", "control")
for text in [" ", "#", "#/../admin", "?", "?x", " HTTP/1.1"]:
    refused(f"/public/a{text}", "raw_character")
for text in ["é", "／admin", "\u202e", "\u00a0"]:
    refused(f"/public/a{text}", "not_ascii")

# Percent-encoding that is none.
for text in ["%", "%2", "%zz", "%2g", "%g2", "%%32%65", "%u002e%u002e", "%uff0e", "%-1", "%+1", "%0x2e", "a%", "%2%65", "%x2e", "&#46;%"]:
    refused(f"/public/{text}", "raw_character" if "#" in text else "bad_escape")

# Characters that Unicode normalization turns into separators or dots.
for letter in ["\uff0f", "\uff3c", "\uff1b", "\uff1f", "\uff03", "\uff05", "\u2100", "\u2101", "\u2105", "\u2106", "\u2048", "\ufe54", "\ufe56", "\ufe5f", "\ufe68", "\ufe6a"]:
    refused(f"/public/a{encoded(letter)}b", "lookalike")
for dots in ["\uff0e\uff0e", "\u2025", "\u2024\u2024", "\ufe52\ufe52", "\u2024", ".\uff0e"]:
    refused(f"/public/{encoded(dots)}/admin", "lookalike")
    refused(f"/public/{encoded(dots)}", "lookalike")

# Not a path at all.
for text in ["", "public/a", "*", "http://evil.example/public/a", ".", "..", "@evil.example/", ":80/", "%2fpublic/a"]:
    refused(text, "not_absolute")
refused("\\public\\a", "not_absolute")
refused("/public\\a", "backslash")
refused("/\\evil.example/public/a", "backslash")
refused("/" + "a" * (8 << 10), "too_long")

# Case, prefixes and neighbors.
for path in ["/PUBLIC/a", "/Public/a", "/publi%43/a", "/publics/a", "/publicx", "/public", "/public/", "/public/a/", "/public/a/b", "/admin", "/", "/admin/public/a",
             "/public/tree", "/publi", "/x/public/a", "/projects/a/b/issues", "/projects/a/issues/", "/projects//issues"[:9], "/public/tre%65", "/public-/a", "/public./a"]:
    case(path, "allowed" if path == "/public/tree" or path == "/public/tre%65" else "no_rule")
# An encoded question mark or number sign: an upstream that decodes first cuts there.
for mark in ["%3f", "%3F", "%23"]:
    case(f"/public/a{mark}b", "allowed")
    case(f"/public/{mark}b", "no_rule")
    case(f"/public/secret{mark}b", "denied")
    case(f"/public{mark}/a", "no_rule")
    refused(f"/public/a{mark}/../b", "dot_segment")
    for dots in DOT + DOT_DOT:
        refused(f"/public/{dots}{mark}x", "dot_segment")
# What a deny rule is about, spelled in another way.
for path in ["/public/secret", "/public/SECRET", "/PUBLIC/Secret", "/public/%73ecret", "/public/secre%74", "/public/secret/", "/public/secre%2574", "/public/%2573ecret",
             f"/public/{encoded('ſ')}ecret", f"/public/{encoded('ｓ')}ecret", "/public/secret.", "/public/secret%20", "/public/secret/a", "/public/secret/a/b",
             "/public/SECRET/A", f"/public/secr{encoded('ｅ')}t", "/public/secret..", "/publi%63/secret"]:
    case(path, "denied")

# What must pass, byte for byte.
for path in ["/public/a", "/public/%61", "/public/caf%C3%A9", "/public/caf%c3%a9", "/public/100%25", "/public/a+b", "/public/a%20b", "/public/a%2Bb", "/public/a:b@c", "/public/~x",
             "/public/a...b", "/public/.hidden", "/public/a.", "/public/..a", "/public/a..", "/public/a,b!$&'()*=", "/public/-._~", "/public/secrets", "/public/secret-x",
             "/public/tree/", "/public/tree/x", "/public/tree/x/y/z", "/public/tree/x/", "/public/%E4%B8%AD%E6%96%87", "/public/%F0%9F%98%80", "/public/a%7Cb", "/public/a|b", "/public/{id}",
             "/public/a%22b", "/public/a%2541", "/projects/1/issues", "/public/100%25%20sure", "/public/e%CC%81", "/public/[x]", "/public/%5Bx%5D"]:
    case(path, "allowed")

TARGETS = [
    {"target": "/public/a?x=1&y", "host": "api.example.org", "path": "/public/a", "query": "x=1&y"},
    {"target": "/public/a?x=1?y", "host": "api.example.org", "path": "/public/a", "query": "x=1?y"},
    {"target": "/public/a?", "host": "api.example.org", "path": "/public/a", "query": ""},
    {"target": "http://api.example.org/public/a?x", "host": "api.example.org", "path": "/public/a", "query": "x"},
    {"target": "HTTPS://API.example.org/public/a", "host": "api.example.org", "path": "/public/a", "query": ""},
    *(
        {"target": target, "host": "api.example.org", "refused": True}
        for target in ["", "*", "api.example.org:443", "http://evil.example/public/a", "http://api.example.org@evil.example/public/a", "http://api.example.org:81/public/a",
                       "http://api.example.org", "http://api.example.org?x", "http://api.example.org#/public/a", "http:///public/a", "http:/public/a", "ftp://api.example.org/public/a", "public/a", "?x"]
    ),
]

if __name__ == "__main__":
    file = pathlib.Path(__file__).with_name("paths.json")
    head = json.dumps({"rules": RULES}, indent=2, ensure_ascii=True)[:-2]
    lines = ",\n".join("    " + json.dumps(entry, ensure_ascii=True) for entry in cases.values())
    targets = ",\n".join("    " + json.dumps(entry, ensure_ascii=True) for entry in TARGETS)
    file.write_text(f'{head},\n  "cases": [\n{lines}\n  ],\n  "targets": [\n{targets}\n  ]\n}}\n')
    print(len(cases), "paths")
