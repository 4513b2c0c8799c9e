#!/usr/bin/env python3
"""The public API as text, a line an item, from rustdoc's JSON: kept in docs/public-api.txt and compared in CI.

`bash .ci/public_api` compares it, `bash .ci/public_api --write` writes it anew.

At its end stand the types of other crates that it names; one that is not in EXTERNAL ends the script with 1, and so does
an item that is exported twice.
"""
import json
import sys

# Crates whose types may stand in the public API: serde's traits and serde_json's value, so that answers
# can be sent on; anyhow (tract's error) and ort, from which an `onnx::EngineError` is made;
# object_store, whose stores a rollout's state can be kept in.
EXTERNAL = {"serde_core", "serde", "serde_json", "anyhow", "ort", "object_store"}
STANDARD = {"std", "core", "alloc"}

doc = json.load(open(sys.argv[1]))
index, paths = doc["index"], doc["paths"]
external = set()
# Where each public item of ours is found. Many modules have a `Builder` or a `Status`: the listing says whose.
homes = {}


def find_homes(module, path):
    for one in module["inner"]["module"]["items"]:
        item = index.get(str(one))
        if item is None or item["visibility"] != "public" or "hidden" in json.dumps(item["attrs"]):
            continue
        home, exported = [*path, item["name"]], one
        if "use" in item["inner"]:
            use = item["inner"]["use"]
            home, exported = [*path, use["name"]], use["id"]
            item = index.get(str(exported))
        if item is not None and "module" in item["inner"]:
            find_homes(item, home)
        else:
            homes.setdefault(exported, []).append("::".join(home))


def name_of(path):
    full = paths.get(str(path["id"]))
    if full is None:
        return path["path"]
    crate = full["path"][0]
    if crate not in STANDARD and full["crate_id"] != 0:
        external.add("::".join(full["path"]))
    return homes.get(path["id"], [path["path"].split("::")[-1]])[0]


def generic_args(args):
    if not args:
        return ""
    if "angle_bracketed" in args:
        inner = args["angle_bracketed"]
        parts = [arg(one) for one in inner["args"]]
        for constraint in inner["constraints"]:
            binding = constraint["binding"]
            if "equality" in binding:
                parts.append(f"{constraint['name']} = {term(binding['equality'])}")
            else:
                parts.append(f"{constraint['name']}: {bounds(binding['constraint'])}")
        return f"<{', '.join(parts)}>" if parts else ""
    if "parenthesized" in args:
        inner = args["parenthesized"]
        out = inner["output"]
        result = f" -> {type_of(out)}" if out else ""
        return f"({', '.join(map(type_of, inner['inputs']))}){result}"
    return ""


def arg(one):
    if one == "infer":
        return "_"
    kind, value = next(iter(one.items()))
    return {"lifetime": str, "type": type_of, "const": lambda c: c["expr"]}[kind](value)


def term(one):
    return type_of(one["type"]) if "type" in one else one["constant"]["expr"]


def path_of(path):
    return name_of(path) + generic_args(path.get("args"))


def bound(one):
    if "trait_bound" in one:
        value = one["trait_bound"]
        maybe = "?" if value["modifier"] == "maybe" else ""
        higher = [p["name"] for p in value["generic_params"]]
        return (f"for<{', '.join(higher)}> " if higher else "") + maybe + path_of(value["trait"])
    if "outlives" in one:
        return one["outlives"]
    return "use<" + ", ".join(next(iter(p.values())) for p in one["use"]) + ">"


def bounds(many):
    return " + ".join(map(bound, many))


def type_of(one):
    kind, value = next(iter(one.items()))
    if kind == "resolved_path":
        return path_of(value)
    if kind in ("generic", "primitive"):
        return value
    if kind == "borrowed_ref":
        lifetime = f"{value['lifetime']} " if value["lifetime"] else ""
        return f"&{lifetime}{'mut ' if value['is_mutable'] else ''}{type_of(value['type'])}"
    if kind == "slice":
        return f"[{type_of(value)}]"
    if kind == "array":
        return f"[{type_of(value['type'])}; {value['len']}]"
    if kind == "tuple":
        return f"({', '.join(map(type_of, value))})"
    if kind == "impl_trait":
        return f"impl {bounds(value)}"
    if kind == "dyn_trait":
        parts = [path_of(poly["trait"]) for poly in value["traits"]]
        return "dyn " + " + ".join(parts + ([value["lifetime"]] if value["lifetime"] else []))
    if kind == "qualified_path":
        of = path_of(value["trait"]) if value.get("trait") else ""
        return f"<{type_of(value['self_type'])} as {of}>::{value['name']}" if of else (
            f"{type_of(value['self_type'])}::{value['name']}")
    if kind == "function_pointer":
        return f"fn{signature(value['sig'])}"
    return kind


def signature(sig):
    inputs = []
    for name, kind in sig["inputs"]:
        inputs.append(type_of(kind) if name != "self" else f"self: {type_of(kind)}")
    output = f" -> {type_of(sig['output'])}" if sig["output"] else ""
    return f"({', '.join(inputs)}){output}"


def generics(of):
    parts, where = [], []
    for param in of["params"]:
        kind, value = next(iter(param["kind"].items()))
        if kind == "type" and value["is_synthetic"]:
            continue
        text = param["name"]
        if kind == "type" and value["bounds"]:
            text += f": {bounds(value['bounds'])}"
        if kind == "const":
            text = f"const {text}: {type_of(value['type'])}"
        parts.append(text)
    for predicate in of["where_predicates"]:
        if "bound_predicate" in predicate:
            value = predicate["bound_predicate"]
            where.append(f"{type_of(value['type'])}: {bounds(value['bounds'])}")
    return f"<{', '.join(parts)}>" if parts else "", f" where {', '.join(where)}" if where else ""


lines = set()


def function(path, item):
    inner = item["inner"]["function"]
    header = inner["header"]
    words = ("const " if header["is_const"] else "") + ("async " if header["is_async"] else "")
    params, where = generics(inner["generics"])
    lines.add(f"{words}fn {path}{params}{signature(inner['sig'])}{where}")


def members(path, ids):
    for one in ids:
        item = index.get(str(one))
        if item is None or item["visibility"] not in ("public", "default"):
            continue
        show(f"{path}::{item['name']}", item)


def impls(path, ids):
    for one in ids:
        item = index.get(str(one))
        if item is None:
            continue
        inner = item["inner"]["impl"]
        if inner["is_synthetic"] or inner["blanket_impl"]:
            continue
        params, where = generics(inner["generics"])
        if inner["trait"] is None:
            members(path, inner["items"])
            continue
        lines.add(f"impl{params} {path_of(inner['trait'])} for {type_of(inner['for'])}{where}")


def show(path, item):
    kind, inner = next(iter(item["inner"].items()))
    if "hidden" in json.dumps(item["attrs"]):
        return
    if kind == "module":
        lines.add(f"mod {path}")
        for one in inner["items"]:
            child = index.get(str(one))
            if child is None or child["visibility"] != "public":
                continue
            if "use" in child["inner"]:
                use = child["inner"]["use"]
                target = index.get(str(use["id"]))
                if target is not None:
                    show(f"{path}::{use['name']}", target)
            else:
                show(f"{path}::{child['name']}", child)
    elif kind == "function":
        function(path, item)
    elif kind in ("struct", "union"):
        params, where = generics(inner["generics"])
        lines.add(f"{kind} {path}{params}{where}")
        shape = inner["kind"]
        if isinstance(shape, dict) and "plain" in shape:
            members(path, shape["plain"]["fields"])
        impls(path, inner["impls"])
    elif kind == "enum":
        params, where = generics(inner["generics"])
        lines.add(f"enum {path}{params}{where}")
        members(path, inner["variants"])
        impls(path, inner["impls"])
    elif kind == "variant":
        shape = inner["kind"]
        text = ""
        if isinstance(shape, dict) and "tuple" in shape:
            fields = [index[str(f)] for f in shape["tuple"] if f is not None]
            text = f"({', '.join(type_of(f['inner']['struct_field']) for f in fields)})"
        elif isinstance(shape, dict) and "struct" in shape:
            members(path, shape["struct"]["fields"])
        lines.add(f"variant {path}{text}")
    elif kind == "struct_field":
        lines.add(f"field {path}: {type_of(inner)}")
    elif kind == "trait":
        params, where = generics(inner["generics"])
        of = f": {bounds(inner['bounds'])}" if inner["bounds"] else ""
        lines.add(f"trait {path}{params}{of}{where}")
        members(path, inner["items"])
    elif kind == "type_alias":
        params, _ = generics(inner["generics"])
        lines.add(f"type {path}{params} = {type_of(inner['type'])}")
    elif kind == "constant":
        lines.add(f"const {path}: {type_of(inner['type'])}")
    elif kind == "assoc_const":
        lines.add(f"const {path}: {type_of(inner['type'])}")
    elif kind == "assoc_type":
        lines.add(f"type {path}")
    else:
        lines.add(f"{kind} {path}")


root = index[str(doc["root"])]
find_homes(root, [])
show("modelgate", root)
print("\n".join(sorted(lines)))
print("\n# types of other crates\n" + "\n".join(sorted(external)))
unlisted = sorted(one for one in external if one.split("::")[0] not in EXTERNAL)
if unlisted:
    sys.exit("types of other crates in the public API: " + ", ".join(unlisted))
twice = sorted(" and ".join(found) for found in homes.values() if len(found) > 1)
if twice:
    sys.exit("exported twice: " + ", ".join(twice))
